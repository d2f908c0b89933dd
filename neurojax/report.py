"""Results for people: a text summary, and a folder with HTML, pictures and JSON that opens offline."""

import base64
import html
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neurojax.compare import Ranking
from neurojax.fitresult import Fit

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}"
    "td,th{padding:.25em .8em;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}"
    ".warn{background:#fff3d6;padding:.5em 1em;border-left:4px solid #e0a000}"
    "img{max-width:100%}pre{overflow-x:auto}"
)


def summary(fit: Fit) -> str:
    """The result of one fit as text."""
    rows = [
        (e.name, f"{e.value:.5g}", f"{e.std:.2g}" if e.determined else "?", "" if e.unit == "1" else e.unit, _flag(e))
        for e in fit.estimates.values()
    ]
    held = fit.held_out_rms
    widths = [max([len(r[k]) for r in rows] + [0]) for k in range(4)]
    lines = [
        f"{fit.name}: rms {_error(fit.rms_error, fit.rms_unit, fit.rms_of_range)}"
        + (f" (held out {_error(held, fit.rms_unit, fit.held_out_of_range)})" if np.isfinite(held) else "")
        + f", chi2/dof {fit.chi2_reduced:.3g}, {fit.n_points} points, AIC {fit.aic:.1f}, BIC {fit.bic:.1f}",
        *(
            f"  {n:<{widths[0]}}  {v:>{widths[1]}} +- {s:<{widths[2]}} {u:<{widths[3]}} {f}".rstrip()
            for n, v, s, u, f in rows
        ),
        f"  {fit.agreeing} of {len(fit.start_costs)} starts agree; compile {fit.seconds.get('compile', 0):.1f} s, "
        f"run {fit.seconds.get('run', 0):.1f} s",
        *(f"  ~ {d}" for d in fit.directions),
        *(f"  ! {w}" for w in fit.warnings),
    ]
    return "\n".join(lines)


def _error(rms: float, unit: str, of_range: float) -> str:
    """A misfit in words; close fits are told in per cent of the range too."""
    if unit == "of range":
        return f"{100 * rms:.3g} % of range"
    return f"{rms:.3g} {unit}, {100 * of_range:.3g} % of range" if of_range < 0.05 else f"{rms:.3g} {unit}"


def _flag(estimate: Any) -> str:
    if estimate.at_bound:
        return "at bound [{:.3g}, {:.3g}]".format(*estimate.bounds)
    return "" if estimate.determined else "not determined"


def write(folder: str | Path, ranking: Ranking) -> Path:
    """Write `report.html`, `fit.json` (of the best model), `ranking.json` and PNG pictures.

    Returns:
        The path of `report.html`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    best = ranking.best
    best.save(folder / "fit.json")
    ranking.save(folder / "ranking.json")
    pictures = {label: png for name, fit in ranking.fits.items() for label, png in _pictures(name, fit)}
    pictures["fit"] = pictures[f"fit_{best.name}"]
    if len(ranking.fits) > 1:
        pictures["ranking"] = _png(ranking.plot())
        for name, fit in ranking.fits.items():
            fit.save(folder / f"fit_{name}.json")
    for name, data in pictures.items():
        (folder / f"{name}.png").write_bytes(data)
    page = folder / "report.html"
    page.write_text(_page(ranking, pictures), encoding="utf-8")
    return page


def _pictures(name: str, fit: Fit) -> Iterator[tuple[str, bytes]]:
    """(label, PNG) of the traces of a fit: fit_Vteam, fit_Vteam_2, ... up to twelve."""
    traces = fit.problem.traces if fit.problem else ()
    for k in range(min(len(traces), 12)):
        yield f"fit_{name}" + (f"_{k + 1}" if k else ""), _png(fit.plot(which=k))


def _png(ax: Any) -> bytes:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png", dpi=140)
    plt.close(ax.figure)
    return buffer.getvalue()


def _page(ranking: Ranking, pictures: dict[str, bytes]) -> str:
    sections = [f"<pre>{html.escape(repr(ranking))}</pre>"] if len(ranking.rows) > 1 else []
    if "ranking" in pictures:
        sections.append(_image(pictures["ranking"]))
    for row in ranking.rows:
        if row.model in ranking.fits:
            label = f"fit_{row.model}"
            ours = [png for name, png in pictures.items() if name == label or name.startswith(label + "_")]
            sections.append(_section(ranking.fits[row.model], ours))
    traces = ", ".join(html.escape(t.name) for t in ranking.best.problem.traces) if ranking.best.problem else ""
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>neurojax: {traces}</title><style>{_STYLE}</style>"
        f"<h1>{traces}</h1>{''.join(sections)}</html>\n"
    )


def _section(fit: Fit, pictures: list[bytes]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(e.name)}</td><td>{e.value:.6g}</td><td>{e.std:.2g}</td><td>{e.interval[0]:.5g} .. "
        f"{e.interval[1]:.5g}</td><td>{html.escape(e.unit)}</td><td>{html.escape(_flag(e))}</td></tr>"
        for e in fit.estimates.values()
    )
    doi = type(fit.device).doi
    link = f" (<a href='https://doi.org/{doi}'>{doi}</a>)" if doi.startswith("10.") else ""
    warnings = "".join(f"<p class='warn'>{html.escape(w)}</p>" for w in fit.warnings)
    held = ""
    if np.isfinite(fit.held_out_rms):
        held = f"; held out {_error(fit.held_out_rms, fit.rms_unit, fit.held_out_of_range)}"
    known = "".join(f"<li>{html.escape(d)}</li>" for d in fit.directions)
    return (
        f"<h2>{fit.name}{link}</h2>{''.join(_image(p) for p in pictures)}{warnings}"
        f"<p>rms {_error(fit.rms_error, fit.rms_unit, fit.rms_of_range)}{held}; chi2/dof {fit.chi2_reduced:.4g}, "
        f"{fit.n_points} points, {fit.agreeing} of {len(fit.start_costs)} starts agree</p>"
        "<table><tr><th>parameter</th><th>value</th><th>std</th><th>95 % interval</th><th>unit</th><th></th></tr>"
        f"{rows}</table><ul>{known}</ul>"
    )


def _image(png: bytes) -> str:
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(png).decode()}'>"
