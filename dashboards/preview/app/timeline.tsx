// Grafana's state timeline is not published: lanes of words, drawn on its uPlot builder and axes, with its legend.
import { FieldType, formattedValueToString, getFieldDisplayName } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import { UPlotChart, UPlotConfigBuilder, VizLayout, VizLegend } from '@grafana/ui';
import { useMemo } from 'react';
import { TIME_ZONE, timeRange } from './board';
import { type Drawn, Nothing } from './panels';

export function StateTimeline(drawn: Drawn) {
  const { panel, theme, frames, width, height } = drawn;
  const built = useMemo(() => (frames[0]?.length ? build(drawn) : undefined), [frames]);
  if (!built) {
    return <Nothing {...drawn} />;
  }
  const states = panel.fieldConfig.defaults.mappings?.flatMap(({ options }: any) => Object.entries<any>(options)) ?? [];
  const items = states
    .filter(([word]) => built.words.has(word))
    .map(([word, { color }]) => ({ label: word, color: theme.visualization.getColorByName(color), yAxis: 1 }));
  const { legend } = panel.options;
  return (
    <VizLayout
      width={width}
      height={height}
      legend={legend.showLegend ? <VizLayout.Legend placement={legend.placement}><VizLegend items={items} placement={legend.placement} displayMode={legend.displayMode} /></VizLayout.Legend> : null}
    >
      {(width: number, height: number) => <UPlotChart config={built.config} data={built.data as any} width={width} height={height} />}
    </VizLayout>
  );
}

function build({ board, panel, frames: [frame], theme }: Drawn) {
  const times: number[] = frame.fields.find(({ type }) => type === FieldType.time)!.values;
  const lanes = frame.fields.filter(({ type }) => type !== FieldType.time);
  const words = new Set<string>(lanes.flatMap(({ values }) => values));
  const range = timeRange(board);
  const config = new UPlotConfigBuilder(TIME_ZONE);
  config.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => [range.from.valueOf(), range.to.valueOf()],
  });
  config.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, theme, timeZone: TIME_ZONE });
  config.addScale({
    scaleKey: 'y',
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Down,
    range: () => [-0.5, lanes.length - 0.5],
  });
  config.addAxis({
    scaleKey: 'y',
    placement: AxisPlacement.Left,
    theme,
    grid: { show: false },
    splits: () => lanes.map((_, index) => index),
    values: (_, splits) => splits.map((index) => getFieldDisplayName(lanes[index], frame)),
  });
  config.addSeries({ scaleKey: 'y', theme, pathBuilder: () => null, pointsBuilder: () => undefined, colorMode: { id: 'fixed' }, show: true } as any);
  config.addHook('draw', (u) => {
    const { ctx, bbox } = u;
    const lane = (bbox.height / lanes.length) * panel.options.rowHeight;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = `${12 * devicePixelRatio}px ${theme.typography.fontFamily}`;
    ctx.textBaseline = 'middle';
    lanes.forEach((field, index) => {
      const middle = u.valToPos(index, 'y', true);
      for (const { word, begin, end } of runs(times, field.values, range.to.valueOf())) {
        const shown = field.display!(word);
        const [left, right] = [begin, end].map((at) => u.valToPos(at, 'x', true));
        ctx.globalAlpha = 0.8;
        ctx.fillStyle = shown.color ?? theme.colors.text.secondary;
        ctx.fillRect(left, middle - lane / 2, right - left, lane);
        ctx.globalAlpha = 1;
        const text = formattedValueToString(shown);
        if (ctx.measureText(text).width < right - left - 8) {
          ctx.fillStyle = theme.colors.getContrastText(shown.color ?? '#888');
          ctx.fillText(text, left + 4, middle);
        }
      }
    });
    ctx.restore();
  });
  config.setPrepData((frames) => frames as any);
  return { config, words, data: [times, times.map(() => 0)] };
}

/** Equal neighbours as one; null ends a run. */
function* runs(times: number[], values: Array<string | null>, end: number) {
  let begin = 0;
  for (let place = 1; place <= values.length; place++) {
    if (place < values.length && values[place] === values[begin]) {
      continue;
    }
    const word = values[begin];
    if (word) {
      yield { word, begin: times[begin], end: times[place] ?? end };
    }
    begin = place;
  }
}
