// The charts of the page, from the numbers in #data. The page is complete without them.
(() => {
  'use strict';
  if (typeof Chart === 'undefined') return;

  // Told apart by colour-blind eyes, and above 3:1 on both backgrounds.
  const policyColours = {
    'rest-kv': '#d55e00', 'snapkv': '#2b83ba', 'h2o': '#c0609a', 'tova': '#a67c00',
    'lacache': '#7d6bd0', 'streaming-llm': '#808890', 'pyramidkv': '#3d9fb5', 'adakv': '#1a9068',
  };
  const otherColours = ['#b5523b', '#5d8f2f', '#9a5fb0', '#4a7fd0', '#b08030', '#3a9a9a'];
  const dashes = [[], [6, 4], [2, 3], [8, 3, 2, 3]];
  const manySeries = 8;  // above it only the series under the pointer shows its intervals
  const charts = [];

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function element(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  // --- how a series looks

  // Colour says the policy, dashes the kernel, the point's shape the splits, its filling the layout.
  function styles(series) {
    const kernels = [...new Set(series.map((s) => s.kernel))].filter((k) => k > 0)
        .sort((a, b) => b - a);
    const taken = new Set();
    let nextColour = 0;
    return series.map((s) => {
      const look = [s.policy, s.kernel, s.layout, s.splits].join(' ');
      let colour = policyColours[s.policy];
      if (colour === undefined || taken.has(look))
        colour = otherColours[nextColour++ % otherColours.length];
      taken.add(look);
      const ada = s.splits.endsWith('ada'), pyramid = s.splits.startsWith('pyramid');
      return {
        colour: s.policy === 'full' ? null : colour,
        dash: s.policy === 'full' ? [1, 3]
            : dashes[Math.max(0, kernels.indexOf(s.kernel)) % dashes.length],
        point: ada && pyramid ? 'rectRot' : ada ? 'triangle' : pyramid ? 'rect' : 'circle',
        hollow: s.layout === 'query-head',
      };
    });
  }

  const colourOf = (style) => style.colour ?? css('--text');

  // Around (16, 6), as Chart.js draws them.
  const shapes = {
    circle: 'M12 6a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z', triangle: 'M16 2l3.5 6.5h-7z',
    rect: 'M13 3h6v6h-6z', rectRot: 'M16 2l4 4l-4 4l-4 -4z',
  };

  function drawing(name, attributes) {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  }

  function swatch(style) {
    const colour = style.colour ?? 'var(--text)';
    const svg = drawing('svg', {width: 32, height: 12, 'aria-hidden': 'true'});
    const line = drawing('path', {d: 'M0 6h32', 'stroke-width': 2,
                                  'stroke-dasharray': style.dash.join(' ')});
    const point = drawing('path', {d: shapes[style.point], 'stroke-width': 2});
    line.style.stroke = point.style.stroke = colour;
    point.style.fill = style.hollow ? 'var(--page)' : colour;
    svg.append(line, point);
    return svg;
  }

  // --- intervals

  const whiskers = {
    id: 'whiskers',
    afterDatasetsDraw(chart) {
      const shown = chart.getSortedVisibleDatasetMetas();
      const active = new Set(chart.getActiveElements().map((a) => a.datasetIndex));
      const {ctx, chartArea, scales: {y}} = chart;
      ctx.save();
      ctx.beginPath();
      ctx.rect(chartArea.left, chartArea.top, chartArea.width, chartArea.height);
      ctx.clip();
      for (const meta of shown) {
        if (shown.length > manySeries && !active.has(meta.index)) continue;
        const dataset = chart.data.datasets[meta.index];
        ctx.strokeStyle = dataset.borderColor;
        ctx.globalAlpha = active.has(meta.index) ? 1 : 0.55;
        meta.data.forEach((point, i) => {
          const {low, high} = dataset.data[i];
          if (low !== null && !dataset.flat) whisker(ctx, point.x, y, low, high);
        });
      }
      ctx.restore();
    },
  };

  function whisker(ctx, x, y, low, high) {
    const cap = 3;
    const top = y.getPixelForValue(high), bottom = y.getPixelForValue(low);
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, bottom);
    for (const end of [top, bottom]) {
      ctx.moveTo(x - cap, end);
      ctx.lineTo(x + cap, end);
    }
    ctx.stroke();
  }

  // --- axes

  const bytesText = (x) => {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
    let u = 0;
    for (; x >= 1024 && u + 1 < units.length; ++u) x /= 1024;
    return `${x >= 100 || Number.isInteger(x) ? Math.round(x) : x.toFixed(1)} ${units[u]}`;
  };
  const wholeText = (x) => x.toLocaleString('en');

  function powersOfTwo(min, max) {
    const first = Math.ceil(Math.log2(min)), last = Math.floor(Math.log2(max));
    const step = Math.max(1, Math.ceil((last - first + 1) / 8));
    const ticks = [];
    for (let e = first; e <= last; e += step) ticks.push(2 ** e);
    return ticks;
  }

  // Of ascending values those that stand far enough behind the last one kept.
  function apart(values, distance) {
    const kept = [];
    for (const value of values)
      if (!kept.length || Math.log(value / kept.at(-1)) >= distance) kept.push(value);
    return kept;
  }

  const kinds = {
    budget: {title: 'budget, entries', text: wholeText, ticks: (values) => values},
    length: {title: 'prompt length, tokens', text: wholeText, ticks: (values) => values},
    bytes: {title: 'KV cache after the prompt', text: bytesText,
            ticks: (values, min, max) => powersOfTwo(min, max)},
  };

  // From the lowest interval to the highest, in steps of 5; percentages end at 0 and 100.
  function range(points, percent) {
    const ends = points.flatMap((p) => [p.y, p.low ?? p.y, p.high ?? p.y]);
    const min = 5 * Math.floor((Math.min(...ends) - 1) / 5);
    const max = 5 * Math.ceil((Math.max(...ends) + 1) / 5);
    return percent ? {min: Math.max(0, min), max: Math.min(100, max)} : {min, max};
  }

  function axes(kind, values, points, data) {
    const {title, text, ticks} = kinds[kind];
    const grid = {color: css('--line')}, colour = css('--quiet');
    const min = Math.min(...values) / 1.08, max = Math.max(...values) * 1.08;
    return {
      x: {
        type: 'logarithmic', min, max, grid,
        title: {display: true, text: title, color: colour},
        ticks: {color: colour, callback: text, autoSkip: false, maxRotation: 0},
        afterBuildTicks: (axis) => {
          const width = 60 / axis.chart.width * Math.log(max / min);  // of a label
          axis.ticks = apart(ticks([...new Set(values)].sort((a, b) => a - b), min, max), width)
              .map((value) => ({value}));
        },
      },
      y: {
        grid, ...(points.length ? range(points, data.percent) : {min: 0, max: 100}),
        title: {display: true, text: data.measure, color: colour},
        ticks: {color: colour},
      },
    };
  }

  // --- a section

  class Section {
    constructor(data) {
      this.data = data;
      this.styles = styles(data.series);
      this.hidden = new Set();
      this.figures = [];
      this.points = data.points.map(([scope, series, budget, bytes, y, low, high, n]) =>
          ({scope, series, budget, bytes, y, low, high, n, length: data.scopes[scope].length}));
    }

    legend() {
      const boxes = this.data.series.map((series, i) => {
        const box = element('input', {type: 'checkbox'});
        box.checked = true;
        box.addEventListener('change', () => this.show([i], box.checked));
        return [box, element('label', {}, box, swatch(this.styles[i]), series.name)];
      });
      const all = (text, on) => {
        const button = element('button', {type: 'button'}, text);
        button.addEventListener('click', () => {
          for (const [box] of boxes) box.checked = on;
          this.show(boxes.map((_, i) => i), on);
        });
        return button;
      };
      return element('fieldset', {class: 'legend'}, element('legend', {}, 'Shown in the charts. Colour: policy; dashes: kernel; point: ' +
                         'splits, hollow with a cache per query head.'),
                     ...boxes.map(([, label]) => label), all('all', true), all('none', false));
    }

    show(series, on) {
      for (const i of series) on ? this.hidden.delete(i) : this.hidden.add(i);
      for (const figure of this.figures) figure.draw();
    }

    dataset(series, data, flat) {
      const style = this.styles[series], colour = colourOf(style);
      return {
        label: this.data.series[series].name, data, flat, series,
        borderColor: colour, borderWidth: 2, borderDash: style.dash,
        backgroundColor: style.hollow ? css('--page') : colour,
        pointBackgroundColor: style.hollow ? css('--page') : colour,
        pointStyle: style.point, pointRadius: flat ? 0 : 4, pointHoverRadius: flat ? 4 : 6,
        pointHitRadius: 8, showLine: true, clip: 8, hidden: this.hidden.has(series),
      };
    }
  }

  // --- a chart with what it may be asked to show

  class Figure {
    // choices: [{label, options: [{text, accepts(point)}]}]
    constructor(section, kind, title, choices) {
      Object.assign(this, {section, kind, title, choices});
      const selects = choices.map((choice) => this.select(choice));
      this.selects = selects.map(([select]) => select);
      this.canvas = element('canvas', {role: 'img'});
      this.node = element('figure', {}, element('div', {class: 'choices'},
          ...selects.filter(([select]) => select.options.length > 1).map(([, label]) => label)),
          element('div', {class: 'plot'}, this.canvas),
          element('figcaption', {}, 'Bars are 95 % intervals' +
              (section.data.series.length > manySeries
                   ? '; of more than 8 variants only of the one under the pointer.' : '.') +
              ' The numbers are in the tables.'));
      section.figures.push(this);
    }

    select(choice) {
      const select = element('select');
      choice.options.forEach((option, i) =>
          select.append(element('option', {value: i}, option.text)));
      select.selectedIndex = choice.first ?? 0;
      select.addEventListener('change', () => this.draw());
      return [select, element('label', {}, choice.label + ' ', select)];
    }

    chosen() {
      const options = this.choices.map((c, i) => c.options[this.selects[i].selectedIndex]);
      return {
        text: options.map((o) => o.text).join(', '),
        points: this.section.points.filter((p) => options.every((o) => o.accepts(p))),
      };
    }

    datasets(points) {
      const x = points.map((p) => p[this.kind]).filter((v) => v !== null);
      const bySeries = new Map();
      for (const point of points) {
        const data = bySeries.get(point.series) ?? [];
        bySeries.set(point.series, data);
        if (point[this.kind] !== null) data.push({...point, x: point[this.kind]});
        else if (this.kind === 'budget' && x.length)  // the full cache: a line from end to end
          for (const end of [Math.min(...x), Math.max(...x)]) data.push({...point, x: end});
      }
      return [...bySeries].map(([series, data]) => {
        const flat = data.length > 0 && data.every((p) => p[this.kind] === null);
        return this.section.dataset(series, data.sort((a, b) => a.x - b.x), flat);
      });
    }

    draw() {
      const {text, points} = this.chosen();
      const datasets = this.datasets(points);
      const values = datasets.flatMap((d) => d.data.map((p) => p.x));
      const shown = datasets.filter((d) => !d.hidden).flatMap((d) => d.data);
      this.canvas.setAttribute('aria-label', `${this.title}: ${text}. Its numbers are in the tables.`);
      const options = {
        animation: false, responsive: true, maintainAspectRatio: false,
        interaction: {mode: 'nearest', intersect: false},
        scales: axes(this.kind, values.length ? values : [1, 2], shown, this.section.data),
        plugins: {legend: {display: false}, tooltip: {callbacks: {
          title: () => '', label: (item) => tooltip(item),
        }}},
      };
      if (!this.chart) {
        this.chart = new Chart(this.canvas,
                               {type: 'scatter', data: {datasets}, options, plugins: [whiskers]});
        charts.push(this);
        return;
      }
      this.chart.data.datasets = datasets;
      this.chart.options = options;
      this.chart.update('none');
    }
  }

  function tooltip({dataset, raw}) {
    const budget = raw.budget === null ? '' : ` B${raw.budget}`;
    const interval = raw.low === null ? '' : ` [${raw.low.toFixed(1)}, ${raw.high.toFixed(1)}]`;
    const bytes = raw.bytes === null ? '' : `, ${bytesText(raw.bytes)}`;
    return `${dataset.label}${budget}: ${raw.y.toFixed(2)}${interval}, n ${raw.n}${bytes}`;
  }

  // --- which charts a section has

  const scopeChoice = (section) => ({
    label: 'Score of',
    options: section.data.scopes.map((scope, i) =>
        ({text: scope.title, accepts: (point) => point.scope === i})),
  });

  function lengthChoices(section) {
    const {scopes} = section.data;
    const names = [...new Set(scopes.filter((s) => s.length !== null).map((s) => s.name))];
    const budgets = [...new Set(section.points.map((p) => p.budget))]
        .filter((b) => b !== null).sort((a, b) => a - b);
    return [
      {label: 'Score of', options: names.map((name) =>
          ({text: name, accepts: (p) => p.length !== null && scopes[p.scope].name === name}))},
      {label: 'Budget', first: Math.floor((budgets.length - 1) / 2),
       options: budgets.map((budget) => ({
         text: wholeText(budget), accepts: (p) => p.budget === null || p.budget === budget}))},
    ].filter((choice) => choice.options.length > 0);
  }

  function place(node, section) {
    const add = (kind, title, choices) => {
      const figure = new Figure(section, kind, title, choices);
      node.append(figure.node);
      figure.draw();
    };
    if (node.dataset.charts === 'bytes') {
      if (section.points.some((p) => p.bytes !== null))
        add('bytes', 'Score by bytes of KV', [scopeChoice(section)]);
      return;
    }
    node.append(section.legend());
    if (section.points.some((p) => p.budget !== null))
      add('budget', 'Score by budget', [scopeChoice(section)]);
    if (new Set(section.points.map((p) => p.length).filter((l) => l !== null)).size > 1)
      add('length', 'Score by length', lengthChoices(section));
  }

  const data = JSON.parse(document.getElementById('data').textContent);
  const sections = data.map((section) => new Section(section));
  for (const node of document.querySelectorAll('[data-charts]'))
    place(node, sections[Number(node.dataset.section)]);

  const redraw = () => charts.forEach((figure) => figure.draw());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);

  // Paper shows everything.
  let closed = [];
  addEventListener('beforeprint', () => {
    closed = [...document.querySelectorAll('main details:not([open])')];
    for (const node of closed) node.open = true;
    redraw();
    charts.forEach((figure) => figure.chart.resize());
  });
  addEventListener('afterprint', () => {
    for (const node of closed) node.open = false;
  });
})();
