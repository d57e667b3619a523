"""What tests share, once each: projects, tiny models, files of every kind, servers, and the rows of the two tables of the documentation."""
