"""The style of a report's page: one file, light and dark, desktop and phone, nothing loaded from anywhere."""

from osarbench.reports.style import COLOURS

_RULES = """
*{box-sizing:border-box}
html{color-scheme:light dark;scroll-padding-top:4rem;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;overflow-wrap:break-word}
a{color:inherit}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--series0);outline-offset:2px}
header,main,footer{max-width:75rem;margin:0 auto;padding:0 1.5rem}
header{padding-top:2.5rem}
h1{font-size:clamp(1.5rem,4vw,2.1rem);line-height:1.2;letter-spacing:-.02em;margin:.2rem 0 .5rem;text-wrap:balance}
h2{font-size:1.35rem;letter-spacing:-.01em;margin:0 0 .35rem}
h3{font-size:1rem;margin:0 0 .75rem}
h4{font-size:.9rem;margin:1.4rem 0 .5rem}
.halves h4{margin-top:0}
p{margin:.3rem 0 1rem;max-width:46rem;text-wrap:pretty}
.over{font-size:.8rem;font-weight:600;letter-spacing:.08em;text-transform:uppercase;color:var(--muted);margin:0}
.lead,.hint,figcaption,footer{color:var(--muted)}
.hint,figcaption{font-size:.875rem}
.hint{margin:.75rem 0 0}
.hint+.card{margin-top:1.25rem}
nav{position:sticky;top:0;z-index:3;background:var(--page);border-bottom:1px solid var(--grid);margin-top:1.25rem}
nav ul{display:flex;gap:1.4rem;max-width:75rem;margin:0 auto;padding:.7rem 1.5rem;list-style:none;overflow-x:auto;
scrollbar-width:none}
nav a{font-size:.875rem;color:var(--muted);text-decoration:none;white-space:nowrap}
nav a:hover{color:var(--ink);text-decoration:underline}
section{margin:2.75rem 0}
.grid{display:grid;gap:1.25rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));align-items:start}
.wide{grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr))}
.halves{display:grid;gap:1.5rem;grid-template-columns:minmax(0,3fr) minmax(0,2fr);align-items:center}
.grid>*,.halves>*{min-width:0}
.card{background:var(--card);border:1px solid var(--grid);border-radius:.75rem;padding:1.25rem;margin:0}
.card+.card,.grid+.card,.card+.grid,.notice+.card{margin-top:1.25rem}
.grid>.card+.card{margin-top:0}
.notice{border-left:4px solid var(--series1);background:var(--card);padding:.75rem 1rem;border-radius:.3rem;
margin:1.5rem 0 0}
.notice p{margin:0}
.tiles{display:flex;flex-wrap:wrap;gap:.5rem 2.5rem;margin:1rem 0 0;padding:0}
.tiles div{display:flex;flex-direction:column-reverse}
.tiles dt{font-size:.8rem;color:var(--muted)}
.tiles dd{margin:0;font-size:1.35rem;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
figure svg{display:block;width:100%;max-width:36rem;height:auto;
stroke-linejoin:round;font-family:inherit;color:var(--ink)}
figcaption{margin-top:.6rem}
.scroll{overflow-x:auto;margin:0 -.25rem;padding:0 .25rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.42rem .55rem;text-align:left;white-space:nowrap;border-bottom:1px solid var(--grid)}
thead th{font-size:.8rem;font-weight:600;color:var(--muted);vertical-align:bottom;white-space:normal;line-height:1.3}
thead tr:first-child:not(:last-child) th{border-bottom:0;padding-bottom:.1rem}
thead .group{color:var(--ink);white-space:nowrap}
tbody th{font-weight:500;position:sticky;left:0;background:var(--card);z-index:1}
tbody tr:last-child>*{border-bottom:0}
.number{text-align:right}
td:has(code){white-space:normal;min-width:10rem}
ul.plain{margin:0;padding:0;list-style:none}
.plain li+li{margin-top:.8rem}
strong{font-weight:700}
.warn{color:var(--series1);font-weight:600}
.grid table{font-size:.85rem}
.grid th,.grid td{padding-left:.3rem;padding-right:.3rem}
.grid tbody th{white-space:normal;min-width:7.5rem;overflow-wrap:anywhere}
.bar{display:inline-block;min-width:3.6rem;padding-bottom:.15rem;background:
linear-gradient(var(--tone),var(--tone)) left bottom/calc(var(--share)*100%) 3px no-repeat,
linear-gradient(var(--grid),var(--grid)) left bottom/100% 3px no-repeat}
.swatch{display:inline-block;width:.7em;height:.7em;border-radius:.2em;background:var(--tone);margin-right:.5em}
details{margin-top:1rem;font-size:.9rem}
details.card>summary{color:var(--ink)}
summary h3{display:inline}
summary{cursor:pointer;font-weight:600;color:var(--muted)}
dl.terms{display:grid;grid-template-columns:minmax(8rem,max-content) 1fr;gap:.35rem 1.25rem;margin:.8rem 0 0}
.terms dt{font-weight:600}
.terms dd{margin:0;color:var(--muted)}
.matrix{width:auto;margin:0 auto;font-size:.8rem}
.matrix th,.matrix td{padding:.3rem .35rem;text-align:right;border:0}
.matrix thead th{writing-mode:vertical-rl;transform:rotate(180deg);text-align:left;font-weight:500;padding:.45rem .3rem}
.matrix td{min-width:2rem;border:1px solid var(--card)}
.matrix td[style]{background:color-mix(in srgb,var(--tone) calc(var(--share)*var(--depth)),transparent)}
.matrix td.last{border-left:2px solid var(--muted)}
.matrix tr.last>*{border-top:2px solid var(--muted)}
.heat{max-width:40rem;margin:0 auto;border:1px solid var(--grid)}
.clips{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,10.5rem),1fr));margin:0 0 .5rem}
.clip{margin:0;font-size:.8rem;line-height:1.4;min-width:0}
.clip img,.clip .none{display:block;width:100%;aspect-ratio:4/3;object-fit:cover;border-radius:.4rem;
border:1px solid var(--grid);background:var(--page)}
.clip .none{display:grid;place-items:center;color:var(--muted)}
.clip figcaption{margin-top:.4rem;font-size:inherit;color:inherit}
.clip b{display:block;font-size:.875rem}
.clip span.file{display:block;color:var(--muted);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.side{display:flex;justify-content:space-between;gap:.4rem;margin-top:.3rem}
.side small{flex:none;color:var(--muted);font-size:inherit;font-variant-numeric:tabular-nums}
.clip b,.side span,.verdict{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.verdict{display:block;font-weight:550}
.wrong{color:var(--muted);font-weight:400}
code{font:.875em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
footer{font-size:.85rem;padding-top:1.5rem;padding-bottom:3rem}
@media (max-width:40rem){header,main,footer{padding-left:1rem;padding-right:1rem}header{padding-top:1.5rem}
nav ul{padding:.7rem 1rem}.card{padding:1rem}section{margin:2rem 0}dl.terms{grid-template-columns:1fr}
.terms dd{margin-bottom:.5rem}.clips{grid-template-columns:repeat(2,minmax(0,1fr))}.halves{
grid-template-columns:1fr}.tiles{gap:.6rem 1.6rem}}
@media print{nav{display:none}.card{break-inside:avoid}}
"""


def stylesheet() -> str:
    """Return the CSS of a report's page."""
    light = _variables(0) + "--page:#f5f7f9;--depth:78%"
    dark = _variables(1) + "--page:#0e141b;--depth:55%"
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}{_RULES.strip()}"


def _variables(mode: int) -> str:
    return "".join(f"--{role}:{colours[mode]};" for role, colours in COLOURS.items())
