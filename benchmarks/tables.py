"""The README's tables out of the results.

`python benchmarks/tables.py` writes them between their marks. A mark is an HTML comment, `<!--
speed -->` to `<!-- /speed -->`; both languages of the README share the tables' figures.
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
        "machine": "{cores} cores ({processor}), {memory_gb} GB, "
        "medians of {rounds} rounds in turn. Floor of an epoch "
        "(products at {gflops:.0f} GFLOP/s, {gb_per_second:.0f} GB/s): {epoch_seconds:.3f} s.",
        "seeds": ["seed", "{engine}: loss 1", "{engine}: val_loss 10"],
        "mean": "mean",
        "redrawing": ["", "test MSE", "parameters", "epochs", "whole process"],
        "rows": {
            "pca": "PCA with 16 components",
            "pythae": "pythae's convolutional autoencoder, as long as the article's program takes",
            "quick": "**`{recipe}`**, within the article's time",
            "best": "**`{recipe}`**",
            "refined": "**and `autoencode reconstruct RUN mnist --part test --refine {refine}`**",
            "model": "`--model {name}`",
        },
        "anomalies": ["", "mean AUROC, %", "by digit, 0 to 9"],
        "detectors": {
            "pca": "PCA with 16 components, its error",
            "pyod": "PyOD's AutoEncoder",
            "error": "autoencode, the error alone",
            "pca_relative": "PCA with 16 components, its relative error",
            "score": "**autoencode's score**",
        },
        "sets": [
            "set",
            "training images",
            "the mean image",
            "PCA",
            "**defaults**",
            "share of PCA's error",
            "epochs",
        ],
        "denoising": [
            "PSNR in dB (SSIM)",
            "noisy",
            "median",
            "non-local means",
            "PCA",
            "**autoencode**",
        ],
    },
    "zh": {
        "head": ["", "整个进程", "每轮", "内存峰值", "val_loss", "下限的倍数"],
        "machine": "{cores} 核（{processor}），{memory_gb} GB 内存，"
        "轮流运行 {rounds} 次取中位数。每轮的下限"
        "（矩阵乘法 {gflops:.0f} GFLOP/s，{gb_per_second:.0f} GB/s）：{epoch_seconds:.3f} s。",
        "seeds": ["种子", "{engine}：loss 1", "{engine}：val_loss 10"],
        "mean": "平均",
        "redrawing": ["", "测试 MSE", "参数", "轮数", "整个进程"],
        "rows": {
            "pca": "16 个主成分的 PCA",
            "pythae": "pythae 的卷积自编码器，训练时间与文章的程序相同",
            "quick": "**`{recipe}`**，在文章所用的时间之内",
            "best": "**`{recipe}`**",
            "refined": "**再用 `autoencode reconstruct RUN mnist --part test --refine {refine}`**",
            "model": "`--model {name}`",
        },
        "anomalies": ["", "平均 AUROC，%", "数字 0 到 9"],
        "detectors": {
            "pca": "16 个主成分的 PCA，重建误差",
            "pyod": "PyOD 的 AutoEncoder",
            "error": "autoencode，只用误差",
            "pca_relative": "16 个主成分的 PCA，相对误差",
            "score": "**autoencode 的分数**",
        },
        "sets": [
            "图片集",
            "训练图片",
            "平均图片",
            "PCA",
            "**默认设置**",
            "占 PCA 误差的比例",
            "轮数",
        ],
        "denoising": [
            "PSNR，dB（SSIM）",
            "带噪声",
            "中值滤波",
            "非局部均值",
            "PCA",
            "**autoencode**",
        ],
    },
}


def speed(words: dict) -> str:
    """Return the table of speed; each cell also says how many times less than the first row's."""
    result = json.loads((RESULTS / "speed.json").read_text())
    rows = {one["name"]: _medians(one["runs"]) for one in result["contenders"]}
    reference = next(iter(rows.values()))
    floor = result["floor"]["epoch_seconds"]

    def times_less(row: dict, key: str) -> str:
        return f"({reference[key] / row[key]:.1f} x)"

    lines = [
        [
            f"**{name}**" if "autoencode" in name else name,
            f"{row['wall_seconds']:.1f} s {times_less(row, 'wall_seconds')}",
            f"{row['epoch_seconds']:.2f} s {times_less(row, 'epoch_seconds')}",
            f"{row['memory_mb']:,.0f} MB {times_less(row, 'memory_mb')}",
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
        [
            f"{rows[0]['seed']}",
            *(f"{row[key]:.4f}" for row in rows for key in ("loss_1", "val_loss_10")),
        ]
        for rows in zip(*result.values(), strict=True)
    ]
    columns = [
        [row[key] for row in rows] for rows in result.values() for key in ("loss_1", "val_loss_10")
    ]
    lines.append([words["mean"], *(f"{statistics.mean(column):.4f}" for column in columns)])
    return _table(head, lines)


def redrawing(words: dict) -> str:
    """Return the table of test errors at a code of 16, each row a mean and deviation over seeds."""
    result, rows = json.loads((RESULTS / "redrawing.json").read_text()), words["rows"]
    lines = [[rows["pca"], f"{result['pca']:.5f}", "13,328", "", ""]]
    lines += [
        _redrawn(rows["model"].format(name=name), runs) for name, runs in result["models"].items()
    ]
    for name, place in (("pythae", "pythae"), ("quick", "ours")):
        recipe = rows[name].format(recipe=result["quick"]["recipe"])
        lines.append(_redrawn(recipe, [found[place] for found in result["quick"]["rounds"]]))
    best = result["best"]
    lines.append(_redrawn(rows["best"].format(**best), best["runs"]))
    lines.append(
        _redrawn(rows["refined"].format(**best), [run | run["refined"] for run in best["runs"]])
    )
    return _table(words["redrawing"], lines)


def _redrawn(name: str, runs: list[dict]) -> list[str]:
    errors = [run["mse"] for run in runs]
    means = {
        key: statistics.mean(run[key] for run in runs)
        for key in ("parameters", "epochs", "seconds")
    }
    return [
        name,
        f"{statistics.mean(errors):.5f} ± {statistics.stdev(errors):.5f}",
        f"{means['parameters']:,.0f}",
        f"{means['epochs']:.3g}",
        f"{means['seconds']:,.0f} s",
    ]


def anomalies(words: dict) -> str:
    """Return the table of areas under the ROC curve, in percent.

    Mean and deviation over seeds, and each digit's mean.
    """
    areas = json.loads((RESULTS / "anomalies.json").read_text())["areas"]
    lines = []
    for name, title in words["detectors"].items():
        means = [100 * statistics.mean(seed) for seed in areas[name]]
        spread = f" ± {statistics.stdev(means):.2f}" if len(means) > 1 else ""
        digits = " ".join(
            f"{100 * statistics.mean(found):.1f}" for found in zip(*areas[name], strict=True)
        )
        lines.append([title, f"{statistics.mean(means):.2f}{spread}", digits])
    return _table(words["anomalies"], lines)


def denoising(words: dict) -> str:
    """Return the table of noises: PSNR and SSIM of every method, the model's a mean over seeds."""
    rows, lines = json.loads((RESULTS / "denoising.json").read_text())["rows"], []
    for noise, row in rows.items():
        found = [[row[name]] for name in ("noisy", "median", "nl_means", "pca")] + [row["ours"]]
        means = [
            [statistics.mean(one[key] for one in runs) for key in ("psnr", "ssim")]
            for runs in found
        ]
        lines.append([f"`{noise}`", *(f"{psnr:.2f} ({ssim:.3f})" for psnr, ssim in means)])
    return _table(words["denoising"], lines)


def sets(words: dict) -> str:
    """Return the table of image sets at a code of 16: test MSE, the defaults' a mean over seeds."""
    entries: dict[str, dict[str, list[dict]]] = {}
    for key, found in json.loads((RESULTS / "sets.json").read_text())["entries"].items():
        name, method, code, _, _ = key.split()
        if code == "16":
            entries.setdefault(name, {}).setdefault(method, []).append(found)
    lines = []
    for name, row in entries.items():
        mean, pca = row["mean"][0]["error"], row["pca"][0]["error"]
        ours = statistics.mean(run["error"] for run in row["auto"])
        epochs = f"{row['auto'][0]['epochs']}"
        errors = [f"{error:.4f}" for error in (mean, pca, ours)]
        lines.append(
            [f"`{name}`", f"{row['auto'][0]['images']:,}", *errors, f"{ours / pca:.3f}", epochs]
        )
    return _table(words["sets"], lines)


TABLES = {
    "speed": speed,
    "seeds": seeds,
    "redrawing": redrawing,
    "anomalies": anomalies,
    "denoising": denoising,
    "sets": sets,
}


def fill(text: str, language: str) -> str:
    """Return a README with every marked table renewed."""
    for name, table in TABLES.items():
        block = f"<!-- {name} -->\n{table(WORDS[language])}\n<!-- /{name} -->"
        text = re.sub(
            f"<!-- {name} -->.*?<!-- /{name} -->",
            lambda _, block=block: block,
            text,
            flags=re.DOTALL,
        )
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
