// Grafana's heatmap panel is not published: its cells, drawn on its uPlot builder and axes with its colours.
import { FieldType, formattedValueToString, getValueFormat, getDisplayProcessor } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import { UPlotChart, UPlotConfigBuilder } from '@grafana/ui';
import * as chromatic from 'd3-scale-chromatic';
import { useMemo } from 'react';
import { TIME_ZONE, timeRange } from './board';
import { type Drawn, Nothing } from './panels';

const LEGEND = 34;

export function Heatmap(drawn: Drawn) {
  const { frames, theme, width, height } = drawn;
  const built = useMemo(() => (frames[0]?.length ? build(drawn) : undefined), [frames]);
  if (!built) {
    return <Nothing {...drawn} />;
  }
  const { config, data, colour, most } = built;
  const steps = Array.from({ length: 64 }, (_, index) => colour(((index + 0.5) / 64) * most));
  const text = getDisplayProcessor({ field: { type: FieldType.number, config: { unit: 'short', decimals: 0 } } as any, theme });
  return (
    <>
      <UPlotChart config={config} data={data as any} width={width} height={height - LEGEND} />
      <div style={{ width: 220, marginLeft: 48, fontSize: 12, color: theme.colors.text.primary }}>
        <div style={{ height: 8, background: `linear-gradient(to right, ${steps.join(', ')})` }} />
        <div style={{ display: 'flex', justifyContent: 'space-between' }}>
          <span>0</span>
          <span>{formattedValueToString(text(most))}</span>
        </div>
      </div>
    </>
  );
}

function build({ board, panel, frames: [frame], theme }: Drawn) {
  const { color, yAxis, filterValues } = panel.options;
  const time = frame.fields.find(({ type }) => type === FieldType.time)!;
  const rows = frame.fields.filter(({ type }) => type === FieldType.number);
  const times: number[] = time.values;
  const step = Math.min(...times.slice(1).map((at, index) => at - times[index]));
  const most = Math.max(...rows.flatMap(({ values }) => values.map((value: any) => value ?? 0)));
  const scheme = (chromatic as any)[`interpolate${color.scheme}`];
  const colour = (value: number) => scheme(Math.round((value / most) ** color.exponent * (color.steps - 1)) / (color.steps - 1));
  const format = getValueFormat(yAxis.unit);

  const config = new UPlotConfigBuilder(TIME_ZONE);
  const range = timeRange(board);
  config.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => [range.from.valueOf(), range.to.valueOf()],
  });
  config.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, theme, timeZone: TIME_ZONE, grid: { show: false } });
  config.addScale({
    scaleKey: 'y',
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Up,
    range: () => [0, rows.length],
  });
  const every = Math.ceil(rows.length / 10);
  config.addAxis({
    scaleKey: 'y',
    placement: AxisPlacement.Left,
    theme,
    grid: { show: false },
    splits: () => rows.map((_, index) => index + 1),
    // A row's name is its upper edge.
    values: (_, splits) =>
      splits.map((edge) => ((edge - 1) % every ? '' : formattedValueToString(format(Number(rows[edge - 1].name))))),
  });
  config.addSeries({ scaleKey: 'y', theme, pathBuilder: () => null, pointsBuilder: () => undefined, colorMode: { id: 'fixed' }, show: true } as any);
  config.addHook('draw', (u) => {
    const gap = panel.options.cellGap ?? 1;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    u.ctx.clip();
    rows.forEach(({ values }, row) =>
      values.forEach((value: number | null, place: number) => {
        if (value == null || value <= (filterValues?.le ?? 0)) {
          return;
        }
        const [left, right] = [times[place], times[place] + step].map((at) => u.valToPos(at, 'x', true));
        const [low, high] = [row, row + 1].map((edge) => u.valToPos(edge, 'y', true));
        u.ctx.fillStyle = colour(value);
        u.ctx.fillRect(left, high, Math.max(1, right - left - gap), low - high - gap);
      })
    );
    u.ctx.restore();
  });
  config.setPrepData((frames) => frames as any);
  return { config, colour, most, data: [times, times.map(() => 0)] };
}
