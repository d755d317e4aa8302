import './style.css';
import { createTheme, renderTextPanelMarkdown, ThemeContext, type DataFrame } from '@grafana/data';
import { GlobalStyles, PanelChrome, PanelContextProvider } from '@grafana/ui';
import { EventBusSrv } from '@grafana/data';
import { createRoot } from 'react-dom/client';
import { type Board, type Panel, prepare, prepared, replaceVariables, span, withInfinity } from './board';
import { BarChart } from './barchart';
import { Heatmap } from './heatmap';
import { Lines, Numbers, Rows, type Drawn } from './panels';
import { StateTimeline } from './timeline';

const WIDTH = 1600;
const MARGIN = 16;
const GAP = 8;
const CELL = 30;

const KINDS: Record<string, (drawn: Drawn) => any> = {
  timeseries: Lines,
  stat: Numbers,
  table: Rows,
  barchart: BarChart,
  heatmap: Heatmap,
  'state-timeline': StateTimeline,
};

async function main() {
  const board: Board = withInfinity((window as any).board);
  const theme = createTheme({ colors: { mode: new URLSearchParams(location.search).get('theme') === 'dark' ? 'dark' : 'light' } });
  prepare(board);
  const frames = new Map<number, DataFrame[]>();
  for (const panel of board.dashboard.panels) {
    frames.set(panel.id, await prepared(board, panel, theme));
  }
  await document.fonts.load('14px Inter');
  await document.fonts.load('500 14px Inter');
  await document.fonts.ready;
  const context: any = { eventBus: new EventBusSrv(), eventsScope: 'preview' };
  const column = (WIDTH - 2 * MARGIN - 23 * GAP) / 24;
  const bottom = Math.max(...board.dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const title = replaceVariables(board);

  const place = ({ gridPos: { x, y, w, h } }: Panel) => ({
    position: 'absolute' as const,
    left: x * (column + GAP),
    top: y * (CELL + GAP),
    width: w * column + (w - 1) * GAP,
    height: h * CELL + (h - 1) * GAP,
  });

  const draw = (panel: Panel) => {
    const style = place(panel);
    if (panel.type === 'row') {
      return <h2 key={panel.id} style={{ ...style, ...theme.typography.h5, margin: 0, paddingTop: 4 }}>{title(panel.title)}</h2>;
    }
    const Kind = KINDS[panel.type];
    return (
      <div key={panel.id} style={style}>
        <PanelChrome title={title(panel.title)} width={style.width} height={style.height} padding={panel.type === 'table' ? 'none' : 'md'}>
          {(width, height) =>
            panel.type === 'text' ? (
              <div className="markdown-html" dangerouslySetInnerHTML={{ __html: renderTextPanelMarkdown(panel.options.content) }} />
            ) : Kind ? (
              <Kind {...{ panel, board, theme, width, height }} frames={frames.get(panel.id)!} />
            ) : (
              <em>no component for {panel.type}</em>
            )
          }
        </PanelChrome>
      </div>
    );
  };

  createRoot(document.getElementById('dashboard')!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <PanelContextProvider value={context}>
        <div style={{ width: WIDTH, padding: MARGIN, background: theme.colors.background.canvas }}>
          <div style={{ display: 'flex', alignItems: 'baseline', gap: 16, marginBottom: 12 }}>
            <h1 style={{ ...theme.typography.h3, margin: 0 }}>{board.dashboard.title}</h1>
            <span style={{ color: theme.colors.text.secondary }}>{span(board)}</span>
            <span style={{ color: theme.colors.text.secondary, marginLeft: 'auto', fontSize: 12 }}>
              Drawn with Grafana's panel components, not by a Grafana server. Customers and pods are made up; what maibo says of them is its own.
            </span>
          </div>
          <div style={{ position: 'relative', height: bottom * (CELL + GAP) - GAP }}>{board.dashboard.panels.map(draw)}</div>
        </div>
      </PanelContextProvider>
    </ThemeContext.Provider>
  );
  const tables = board.dashboard.panels.filter(({ id, type }) => type === 'table' && frames.get(id)?.[0]?.length).length;
  const waited = setInterval(() => {
    const grids = [...document.querySelectorAll('[role=grid], [role=treegrid]')].filter((grid) => grid.querySelectorAll('[role=row]').length > 1);
    if (grids.length >= tables) {
      clearInterval(waited);
      setTimeout(() => document.body.setAttribute('data-drawn', 'yes'), 1500);
    }
  }, 200);
}

main().catch((error) => {
  document.body.textContent = String(error?.stack ?? error);
  document.body.setAttribute('data-drawn', 'no');
});
