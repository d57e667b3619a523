from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "artifacts/medical/merged_model"
tokenizer = AutoTokenizer.from_pretrained(base)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "artifacts/medical/sft_adapter")


def answer(question, system="You are a careful assistant. Answer briefly and precisely."):
    turns = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**prompt, max_new_tokens=128, do_sample=False)
    return tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
