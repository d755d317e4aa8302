// Grafana's bar chart panel is not published: drawn with its uPlot builder, axes and legend.
import { FieldType, formattedValueToString, getDisplayProcessor, getFieldDisplayName, getFieldSeriesColor, type Field } from '@grafana/data';
import { AxisPlacement, GraphDrawStyle, ScaleDirection, ScaleDistribution, ScaleOrientation, VisibilityMode } from '@grafana/schema';
import { UPlotChart, UPlotConfigBuilder, VizLayout, VizLegend } from '@grafana/ui';
import { useMemo } from 'react';
import uPlot from 'uplot';
import { TIME_ZONE } from './board';
import { type Drawn, Nothing } from './panels';

export function BarChart(drawn: Drawn) {
  const { panel, theme, width, height, frames } = drawn;
  const [frame] = frames;
  const built = useMemo(() => (frame?.length ? build(drawn) : undefined), [frame]);
  if (!built) {
    return <Nothing {...drawn} />;
  }
  const { legend } = panel.options;
  const items = built.series.map((field) => ({
    label: getFieldDisplayName(field, frame),
    color: getFieldSeriesColor(field, theme).color,
    yAxis: 1,
  }));
  const shown = legend.showLegend && items.length > 1;
  return (
    <VizLayout
      width={width}
      height={height}
      legend={shown ? <VizLayout.Legend placement={legend.placement}><VizLegend items={items} placement={legend.placement} displayMode={legend.displayMode} /></VizLayout.Legend> : null}
    >
      {(width: number, height: number) => <UPlotChart config={built.config} data={built.data as any} width={width} height={height} />}
    </VizLayout>
  );
}

function build({ panel, theme, frames: [frame], width }: Drawn) {
  const { options } = panel;
  const horizontal = options.orientation === 'horizontal';
  const names: Field = frame.fields.find(({ type }) => type !== FieldType.number) ?? frame.fields[0];
  const series = frame.fields.filter((field) => field !== names && field.type === FieldType.number);
  const show = names.display ?? getDisplayProcessor({ field: names, theme, timeZone: TIME_ZONE });
  const texts = names.values.map((value: any) => formattedValueToString(show(value)));
  const stacked = options.stacking === 'normal';
  const sums: number[][] = [];
  series.forEach((field, index) =>
    sums.push(field.values.map((value: any, row: number) => (value ?? 0) + (stacked && index ? sums[index - 1][row] : 0)))
  );

  const config = new UPlotConfigBuilder(TIME_ZONE);
  const last = texts.length - 1;
  config.addScale({
    scaleKey: 'x',
    isTime: false,
    range: () => [-0.5, last + 0.5],
    distribution: ScaleDistribution.Linear,
    orientation: horizontal ? ScaleOrientation.Vertical : ScaleOrientation.Horizontal,
    direction: horizontal ? ScaleDirection.Down : ScaleDirection.Right,
  });
  const every = horizontal ? 1 : Math.max(1, Math.ceil((texts.length * (options.xTickLabelSpacing || 60)) / width));
  config.addAxis({
    scaleKey: 'x',
    isTime: false,
    theme,
    placement: horizontal ? AxisPlacement.Left : AxisPlacement.Bottom,
    splits: () => texts.map((_, index) => index),
    values: (_, splits) => splits.map((index) => (index % every ? '' : texts[index])),
    grid: { show: false },
    ticks: { show: false },
  });
  const custom = series[0].config.custom ?? {};
  config.addScale({
    scaleKey: 'y',
    orientation: horizontal ? ScaleOrientation.Horizontal : ScaleOrientation.Vertical,
    direction: horizontal ? ScaleDirection.Right : ScaleDirection.Up,
    distribution: custom.scaleDistribution?.type,
    log: custom.scaleDistribution?.log,
    softMin: 0,
  });
  config.addAxis({
    scaleKey: 'y',
    theme,
    placement: horizontal ? AxisPlacement.Bottom : AxisPlacement.Left,
    formatValue: (value, decimals) => formattedValueToString(series[0].display!(value, decimals)),
  });
  // The whole stack first: each next one covers its lower part.
  const order = series.map((_, index) => (stacked ? series.length - 1 - index : index));
  for (const index of order) {
    const { color } = getFieldSeriesColor(series[index], theme);
    config.addSeries({
      scaleKey: 'y',
      theme,
      pathBuilder: uPlot.paths.bars!({ size: [options.barWidth ?? 0.9, 200] }),
      drawStyle: GraphDrawStyle.Bars,
      colorMode: { id: 'fixed' } as any,
      lineColor: color,
      lineWidth: 0,
      fillColor: color,
      fillOpacity: stacked ? 100 : (custom.fillOpacity ?? 80),
      showPoints: VisibilityMode.Never,
      show: true,
    } as any);
  }
  config.setPadding([null, 16, null, null] as any);
  config.setPrepData((frames) => frames as any);
  return { config, series, data: [texts.map((_, index) => index), ...order.map((index) => sums[index])] };
}
