// Bundles the app into dist/: one script, one style sheet, one page; no server needed.
import { build } from 'esbuild';
import { cpSync } from 'node:fs';

await build({
  entryPoints: ['app/main.tsx'],
  bundle: true,
  minify: true,
  format: 'iife',
  jsx: 'automatic',
  outfile: 'dist/app.js',
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  loader: { '.svg': 'text', '.png': 'dataurl', '.ttf': 'empty' },
  logLevel: 'error',
});
cpSync('app/index.html', 'dist/index.html');
// Where Grafana's global styles look for them.
for (const [weight, name] of [[400, 'Regular'], [500, 'Medium']]) {
  cpSync(`node_modules/@fontsource/inter/files/inter-latin-${weight}-normal.woff2`, `dist/public/fonts/inter/Inter-${name}.woff2`);
}
