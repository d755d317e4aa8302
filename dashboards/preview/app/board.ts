// What `frames.py` writes, and what of Grafana's core the npm packages leave out: variables, and the registry of field options.
import {
  applyFieldOverrides,
  type DataFrame,
  dateTimeFormat,
  type FieldConfigSource,
  type GrafanaTheme2,
  locationUtil,
  type ScopedVars,
  standardTransformersRegistry,
  standardTransformers,
  type TimeRange,
  dateTime,
  toDataFrame,
  transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

export interface Mark {
  name: string;
  color: string;
  time: number;
  timeEnd: number | null;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  options: any;
  fieldConfig: FieldConfigSource<any>;
  transformations?: Array<{ id: string; options: any }>;
}

export interface Board {
  dashboard: { title: string; description: string; panels: Panel[] };
  range: [number, number];
  variables: Record<string, string>;
  frames: Record<string, any[]>;
  marks: Mark[];
}

export const TIME_ZONE = 'utc';

export function prepare(board: Board) {
  standardTransformersRegistry.setInit(() =>
    [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map(
      (transformation) => ({ id: transformation.id, transformation: () => Promise.resolve(transformation), name: transformation.name }) as any
    )
  );
  locationUtil.initialize({
    config: { appSubUrl: '' } as any,
    getVariablesUrlParams: () => ({}),
    getTimeRangeForUrl: () => ({ from: board.range[0], to: board.range[1] }) as any,
  });
}

export function timeRange(board: Board): TimeRange {
  const [from, to] = board.range.map((at) => dateTime(at));
  return { from, to, raw: { from, to } };
}

export function span(board: Board): string {
  const [from, to] = board.range.map((at) => dateTimeFormat(at, { timeZone: TIME_ZONE, format: 'YYYY-MM-DD HH:mm' }));
  return `${from} to ${to} UTC`;
}

export function replaceVariables(board: Board) {
  return (text?: string, _?: ScopedVars) =>
    (text ?? '').replace(/\$\{?(\w+)(?::\w+)?\}?/g, (whole, name) => board.variables[name] ?? whole);
}

/** A panel's frames as its component gets them: transformed, with units, thresholds and colours. */
export async function prepared(board: Board, panel: Panel, theme: GrafanaTheme2): Promise<DataFrame[]> {
  if (!board.frames[panel.id]) {
    return [];
  }
  let frames = board.frames[panel.id].map((frame) => toDataFrame(frame));
  if (panel.transformations) {
    frames = await lastValueFrom(transformDataFrame(panel.transformations as any, frames));
  }
  return applyFieldOverrides({
    data: frames,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registry(panel.fieldConfig) as any,
    replaceVariables: replaceVariables(board) as any,
    theme,
    timeZone: TIME_ZONE,
  });
}

const PLAIN = ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'thresholds', 'mappings', 'links', 'color'];

/** Every option that the panel sets, taken as it is. */
function registry(config: FieldConfigSource<any>) {
  const customs = new Set(Object.keys(config.defaults.custom ?? {}));
  for (const { properties } of config.overrides) {
    properties.forEach(({ id }) => id.startsWith('custom.') && customs.add(id.slice('custom.'.length)));
  }
  const item = (id: string, path: string, isCustom: boolean) => ({
    id, path, isCustom, name: id, process: (value: any) => value, shouldApply: () => true, settings: {},
  });
  const items = [...PLAIN.map((id) => item(id, id, false)), ...[...customs].map((path) => item(`custom.${path}`, path, true))];
  return { list: () => items, getIfExists: (id: string) => items.find((each) => each.id === id) };
}

/** JSON has no -Infinity: a scale's first step has null in its place. */
export function withInfinity<T>(value: T): T {
  if (Array.isArray(value)) {
    return value.map(withInfinity) as T;
  }
  if (value === null || typeof value !== 'object') {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) =>
      key === 'steps' && Array.isArray(child) ? [key, child.map((step: any) => ({ ...step, value: step.value ?? -Infinity }))] : [key, withInfinity(child)]
    )
  ) as T;
}
