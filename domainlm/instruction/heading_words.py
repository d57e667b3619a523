"""Words of headings that every document has.

They name no subject. Out: English words, and Chinese words of which a whole heading may be made (参数说明).
"""

from __future__ import annotations

from domainlm.instruction.asked import word_set

GENERIC = word_set(
    "abstract acknowledgement acknowledgements acknowledgments addendum additional advanced adverse also annex "
    "api appendix argument arguments attribute attributes author authors availability background basic basics bug "
    "bugs cause causes caveat caveats changelog changes chapter class classes code codes command commands comment "
    "comments common compatibility complications composition concept concepts conclusion conclusions "
    "configuration constant constants constructor constructors contents contraindication contraindications "
    "copyright credits default defaults definition definitions description detail details diagnosis discussion "
    "document documentation documents dosage dose effect effects environment epidemiology epilogue error errors "
    "event events example examples exception exceptions exercise exercises exit explanation faq field fields "
    "figure figures files first flag flags foreword format function functions further general getting glossary "
    "guide hint hints history home how implementation important index indication indications info information "
    "ingredients input install installation installing interactions interface intro introduction issue issues "
    "item items known last licence license limitation limitations line link links list listing main management "
    "manual member members method methods misc miscellaneous module modules more name new next note notes "
    "objective objectives old operation operations option options other others outline outlook output overview "
    "page parameter parameters part pathogenesis pharmacology precautions preface prerequisite prerequisites "
    "prevention previous principle principles problem problems prognosis properties property purpose question "
    "questions quick reading reference references related remark remarks requirement requirements resources "
    "result results return returns review rule rules scope second section sections see set setting settings setup "
    "side signs sources special start started status step steps storage structure summary support symptom "
    "symptoms synopsis syntax table tables terminology test tests third throws tip tips title topic topics "
    "treatment tutorial type types untitled up usage use uses using value values variable variables version "
    "versions warning warnings what when why working"
)
# words that say nothing in a heading, and Roman numerals
SMALL = word_set(
    "a an and are as at by do does for from i ii iii in into is it its iv ix of on or the this to v vi vii viii "
    "with x you your"
)
CHINESE_GENERIC = word_set(
    "说明 描述 概述 概要 概览 概念 简介 介绍 引言 前言 序言 序 背景 总结 小结 结论 摘要 目录 目的 "
    "范围 参数 选项 返回值 返回 示例 例子 实例 举例 用法 使用 方法 步骤 语法 格式 注意 注意事项 事项 "
    "备注 注释 注 提示 警告 小心 参考 参考文献 文献 参考资料 资料 参见 参阅 附录 附注 问题 常见问题 "
    "常见 解答 答案 术语 定义 类型 属性 函数 接口 命令 配置 设置 安装 要求 环境 版本 历史 更新 其他 "
    "其它 更多 相关 详细 详情 基本 基础 高级 一般 特殊 主要 内容 信息 功能 特点 特性 原理 规则 限制 "
    "错误 异常 输入 输出 默认 默认值 值 变量 常量 字段 列表 表格 表 图 章 节 部分 第 一 二 三 四 "
    "五 六 七 八 九 十 和 与 及 的 适应症 禁忌 禁忌症 不良反应 用法用量 用量 成分 成份 性状 贮藏 "
    "储存 规格 症状 病因 诊断 治疗 预防 并发症 预后 快速 入门 开始 指南 教程 链接 作者 许可 版权 "
    "测试 结果 讨论 如何"
)
