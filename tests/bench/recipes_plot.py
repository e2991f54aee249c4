#!/usr/bin/env python3
"""Table and plot of recipes.sh's results: recipes_plot.py results.tsv plot.svg >table.md

A row a recipe, EER on ORL and on LFW, a dot a seed; recipes are grouped by what they differ in. Needs nothing but Python."""
import sys
from collections import defaultdict

GROUPS = [
    ("network and loss", lambda r: r.count("-") == 1),
    ("hard mining (lite0)", lambda r: r.endswith("-batch_hard")),
    ("optimizer and schedule (lite0, contrastive)", lambda r: r.count("-") > 1 and not r.endswith("-batch_hard")),
]
NETS = {"lite0": "lite0, ImageNet weights", "resnet18": "ResNet-18, from scratch", "efficientnetv2_b0": "EfficientNetV2-B0, from scratch"}
SETS = {"orl": "ORL, 8 people, all pairs", "lfw": "LFW, pairsDevTest"}
WIDTH, LEFT, TOP, ROW, PANEL, GAP = 900, 300, 56, 20, 270, 30


def name(recipe, group):
    net, rest = recipe.split("-", 1)
    if group == 0:
        return f"{NETS[net]}; {rest}"
    if group == 1:
        return rest.replace("-batch_hard", ", hardest pairs of each photo")
    return rest.replace("contrastive-", "").replace("-", " + ").replace("schedule_free", "schedule-free AdamW")


def read(path):
    eer, auc = defaultdict(dict), defaultdict(dict)
    with open(path) as file:
        for line in file:
            which, recipe, seed, _, a, e = line.split("\t")
            eer[recipe, which][int(seed)], auc[recipe, which][int(seed)] = float(e), float(a)
    return eer, auc


def rows(eer):
    order = list(dict.fromkeys(recipe for recipe, _ in eer))
    for group, (title, belongs) in enumerate(GROUPS):
        yield title, [(r, name(r, group)) for r in order if belongs(r)]


def table(eer, auc):
    print("| recipe | ORL: EER | AUC | LFW: EER | AUC |\n|---|---|---|---|---|")
    for title, recipes in rows(eer):
        print(f"| **{title}** | | | | |")
        for recipe, text in recipes:
            cells = [" ".join(f"{values[recipe, which][s]:.3f}".lstrip("0") for s in sorted(values[recipe, which])) for which in SETS for values in (eer, auc)]
            print(f"| {text} | " + " | ".join(cells) + " |")


def plot(eer, path):
    lines = list(rows(eer))
    height = TOP + ROW * (sum(len(r) for _, r in lines) + 2 * len(lines)) + 10
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    panel = {which: LEFT + i * (PANEL + GAP) for i, which in enumerate(SETS)}
    place = lambda which, value: panel[which] + PANEL * min(value, 0.5) / 0.5
    for which, title in SETS.items():
        out.append(f'<text x="{panel[which]}" y="18" font-weight="bold">{title}: equal error rate</text>')
        for tick in range(6):
            x = place(which, tick / 10)
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 10}" stroke="#ddd"/>')
            out.append(f'<text x="{x:.1f}" y="{TOP - 14}" text-anchor="middle" fill="#555">{tick / 10:.1f}</text>')
    y = TOP
    for title, recipes in lines:
        y += ROW
        out.append(f'<text x="8" y="{y}" font-weight="bold">{title}</text>')
        for recipe, text in recipes:
            y += ROW
            out.append(f'<text x="{LEFT - 12}" y="{y}" text-anchor="end">{text}</text>')
            for which in SETS:
                values = eer[recipe, which].values()
                if not values:
                    continue
                out.append(f'<line x1="{place(which, min(values)):.1f}" x2="{place(which, max(values)):.1f}" y1="{y - 4}" y2="{y - 4}" stroke="#2a6fbb"/>')
                out += [f'<circle cx="{place(which, v):.1f}" cy="{y - 4}" r="4" fill="#2a6fbb" fill-opacity="0.7"/>' for v in values]
        y += ROW
    out.append("</svg>\n")
    with open(path, "w") as file:
        file.write("\n".join(out))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    eer, auc = read(sys.argv[1])
    table(eer, auc)
    plot(eer, sys.argv[2])


main()
