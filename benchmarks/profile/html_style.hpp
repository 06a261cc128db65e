#pragma once

namespace profile {

/// The style sheet of the report: light and dark by the reader's preference, one column, tables that scroll by
/// themselves on a narrow screen. The four series colours can be told apart by colour-blind readers.
inline constexpr const char* html_style = R"css(
:root { color-scheme: light dark;
  --page: #fbfaf7; --card: #ffffff; --ink: #1d2329; --soft: #5c6670; --line: #e2dfd7; --grid: #ece9e2;
  --s0: #0b6e99; --s1: #d9822b; --s2: #7a6bb5; --s3: #8a8f94; --accent: #e7f2f7; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14181c; --card: #1b2127; --ink: #e6e9ec; --soft: #98a3ad; --line: #2d353d; --grid: #262d34;
  --s0: #4db6e2; --s1: #eda558; --s2: #a99be0; --s3: #8d969e; --accent: #1d323d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.01em; }
h2 { font-size: 1.25rem; margin: 48px 0 12px; }
p { margin: 0 0 12px; max-width: 46em; }
.lead, dt, .note { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 16px; margin: 28px 0 8px; }
.card, .figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; }
.card h3 { margin: 0; font-size: 0.95rem; font-weight: 500; color: var(--soft); }
.big { font-size: 2.5rem; font-weight: 650; line-height: 1.25; color: var(--s0); font-variant-numeric: tabular-nums; }
.card ul { list-style: none; margin: 6px 0 0; padding: 0; }
.card li { display: flex; justify-content: space-between; gap: 16px; padding: 3px 0; border-top: 1px solid var(--grid); }
.card li span:last-child { font-variant-numeric: tabular-nums; white-space: nowrap; }
.scroll { overflow-x: auto; }
.figure svg { display: block; width: 100%; min-width: 640px; height: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 16px; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 500; color: var(--soft); }
th:first-child, td:first-child { text-align: left; }
tbody tr:first-child { background: var(--accent); font-weight: 600; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 8px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 560px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 8px; } h1 { font-size: 1.6rem; } }
.series-0 { fill: var(--s0); } .series-1 { fill: var(--s1); } .series-2 { fill: var(--s2); } .series-3 { fill: var(--s3); }
.swatch.series-0 { background: var(--s0); } .swatch.series-1 { background: var(--s1); }
.swatch.series-2 { background: var(--s2); } .swatch.series-3 { background: var(--s3); }
svg text { font-family: inherit; fill: var(--soft); }
svg .tick { font-size: 12px; }
svg .row-title { font-size: 14px; font-weight: 600; fill: var(--ink); }
svg .quantile-label { font-size: 12px; fill: var(--ink); }
svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--soft); } svg .quantile { stroke: var(--ink); stroke-dasharray: 3 3; }
svg rect:hover { opacity: 0.6; }
)css";

}  // namespace profile
