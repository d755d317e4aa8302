// Panels of which Grafana publishes the component: TimeSeries, BigValue, TableNG.
import {
  type DataFrame,
  type FieldDisplay,
  FieldType,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  type GrafanaTheme2,
  VizOrientation,
} from '@grafana/data';
import { BigValue, TimeSeries, type UPlotConfigBuilder, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { useLayoutEffect } from 'react';
import { type Board, type Mark, type Panel, replaceVariables, TIME_ZONE, timeRange } from './board';

export interface Drawn {
  board: Board;
  panel: Panel;
  frames: DataFrame[];
  theme: GrafanaTheme2;
  width: number;
  height: number;
}

export function Nothing({ panel, theme, height }: Drawn) {
  return (
    <div style={{ height, display: 'grid', placeItems: 'center', color: theme.colors.text.secondary }}>
      {panel.fieldConfig.defaults.noValue ?? 'No data'}
    </div>
  );
}

export const isEmpty = (frames: DataFrame[]) => frames.every((frame) => frame.length === 0);

export function Lines(drawn: Drawn) {
  const { board, panel, theme, width, height } = drawn;
  const frames = drawn.frames
    .map((frame) => ({ ...frame, fields: frame.fields.filter(({ type }) => type === FieldType.time || type === FieldType.number) }))
    .filter((frame) => frame.length > 0 && frame.fields.length > 1);
  if (!frames.length) {
    return <Nothing {...drawn} />;
  }
  return (
    <TimeSeries
      frames={frames}
      structureRev={1}
      timeRange={timeRange(board)}
      timeZone={TIME_ZONE}
      width={width}
      height={height}
      legend={panel.options.legend}
      options={panel.options}
    >
      {(config: UPlotConfigBuilder) => <Marks config={config} marks={board.marks} theme={theme} />}
    </TimeSeries>
  );
}

/** Annotations: a dashed line at the begin, and a region where there is an end; Grafana's own plugin for them is not published. */
export function Marks({ config, marks, theme }: { config: UPlotConfigBuilder; marks: Mark[]; theme: GrafanaTheme2 }) {
  useLayoutEffect(() => {
    config.addHook('draw', (u) => {
      const { ctx, bbox } = u;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height + 8 * devicePixelRatio);
      ctx.clip();
      for (const { color, time, timeEnd } of marks) {
        const [x, end] = [time, timeEnd ?? time].map((at) => Math.round(u.valToPos(at, 'x', true)));
        ctx.fillStyle = ctx.strokeStyle = theme.visualization.getColorByName(color);
        ctx.globalAlpha = 0.1;
        ctx.fillRect(x, bbox.top, end - x, bbox.height);
        ctx.globalAlpha = 1;
        ctx.setLineDash([5, 5]);
        ctx.lineWidth = 1;
        for (const at of new Set([x, end])) {
          ctx.beginPath();
          ctx.moveTo(at + 0.5, bbox.top);
          ctx.lineTo(at + 0.5, bbox.top + bbox.height);
          ctx.stroke();
        }
        ctx.beginPath();
        ctx.rect(x - 3, bbox.top + bbox.height, Math.max(6, end - x), 4 * devicePixelRatio);
        ctx.fill();
      }
      ctx.restore();
    });
  }, [config, marks, theme]);
  return null;
}

export function Numbers({ board, panel, frames, theme, width, height }: Drawn) {
  const { options } = panel;
  const values = () =>
    getFieldDisplayValues({
      data: isEmpty(frames) ? [] : frames,
      fieldConfig: panel.fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables: replaceVariables(board) as any,
      sparkline: options.graphMode === 'area',
      theme,
      timeZone: TIME_ZONE,
    });
  return (
    <VizRepeater<FieldDisplay>
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, count, alignmentFactors }: any) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline && { ...value.sparkline, timeRange: timeRange(board) }}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          disableWideLayout={options.wideLayout === false}
          {...{ theme, width, height, count, alignmentFactors }}
        />
      )}
      source={frames}
      itemSpacing={3}
      orientation={options.orientation ?? VizOrientation.Auto}
      renderCounter={0}
      width={width}
      height={height}
    />
  );
}

export function Rows(drawn: Drawn) {
  const { panel, frames, width, height } = drawn;
  const [frame] = frames;
  if (!frame?.length) {
    return <Nothing {...drawn} />;
  }
  return (
    <TableNG
      data={frame}
      width={width}
      height={height}
      sortBy={panel.options.sortBy}
      cellHeight={panel.options.cellHeight}
      noHeader={!panel.options.showHeader}
      fieldConfig={panel.fieldConfig}
      enableVirtualization={false}
      structureRev={1}
    />
  );
}
