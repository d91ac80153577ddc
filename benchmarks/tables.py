"""The README's tables out of the results: `python benchmarks/tables.py` writes them between their marks.

A mark is an HTML comment, `<!-- speed -->` to `<!-- /speed -->`; both languages of the README share the tables' figures.
"""

import json
import re
import statistics
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
READMES = {"README.md": "en", "README.zh-CN.md": "zh"}
WORDS = {
    "en": {
        "head": ["", "whole process", "an epoch", "peak memory", "val_loss", "times the floor"],
        "machine": "{cores} cores ({processor}), {memory_gb} GB, medians of {rounds} rounds in turn. Floor of an epoch "
        "(products at {gflops:.0f} GFLOP/s, {gb_per_second:.0f} GB/s): {epoch_seconds:.3f} s.",
        "seeds": ["seed", "{engine}: loss 1", "{engine}: val_loss 10"],
        "mean": "mean",
    },
    "zh": {
        "head": ["", "整个进程", "每轮", "内存峰值", "val_loss", "下限的倍数"],
        "machine": "{cores} 核（{processor}），{memory_gb} GB 内存，轮流运行 {rounds} 次取中位数。每轮的下限"
        "（矩阵乘法 {gflops:.0f} GFLOP/s，{gb_per_second:.0f} GB/s）：{epoch_seconds:.3f} s。",
        "seeds": ["种子", "{engine}：loss 1", "{engine}：val_loss 10"],
        "mean": "平均",
    },
}


def speed(words: dict) -> str:
    """Return the table of speed; each cell of time and memory also says how many times less than the first row's."""
    result = json.loads((RESULTS / "speed.json").read_text())
    rows = {one["name"]: _medians(one["runs"]) for one in result["contenders"]}
    reference = next(iter(rows.values()))
    floor = result["floor"]["epoch_seconds"]
    lines = [
        [
            f"**{name}**" if "autoencode" in name else name,
            f"{row['wall_seconds']:.1f} s ({reference['wall_seconds'] / row['wall_seconds']:.1f} x)",
            f"{row['epoch_seconds']:.2f} s ({reference['epoch_seconds'] / row['epoch_seconds']:.1f} x)",
            f"{row['memory_mb']:,.0f} MB ({reference['memory_mb'] / row['memory_mb']:.1f} x)",
            f"{row['val_loss']:.4f}",
            f"{row['epoch_seconds'] / floor:.1f}",
        ]
        for name, row in rows.items()
    ]
    note = words["machine"].format(**result["machine"], **result["floor"], rounds=result["rounds"])
    return _table(words["head"], lines) + "\n\n" + note


def seeds(words: dict) -> str:
    """Return the table of losses over seeds, two columns an engine."""
    result = json.loads((RESULTS / "seeds.json").read_text())
    first, *losses = words["seeds"]
    head = [first, *(text.format(engine=engine) for engine in result for text in losses)]
    lines = [
        [f"{rows[0]['seed']}", *(f"{row[key]:.4f}" for row in rows for key in ("loss_1", "val_loss_10"))]
        for rows in zip(*result.values(), strict=True)
    ]
    columns = [[row[key] for row in rows] for rows in result.values() for key in ("loss_1", "val_loss_10")]
    lines.append([words["mean"], *(f"{statistics.mean(column):.4f}" for column in columns)])
    return _table(head, lines)


TABLES = {"speed": speed, "seeds": seeds}


def fill(text: str, language: str) -> str:
    """Return a README with every marked table renewed."""
    for name, table in TABLES.items():
        block = f"<!-- {name} -->\n{table(WORDS[language])}\n<!-- /{name} -->"
        text = re.sub(f"<!-- {name} -->.*?<!-- /{name} -->", lambda _, block=block: block, text, flags=re.DOTALL)
    return text


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def _table(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines])


def main() -> None:
    for name, language in READMES.items():
        path = ROOT / name
        path.write_text(fill(path.read_text("utf-8"), language), "utf-8")


if __name__ == "__main__":
    main()
