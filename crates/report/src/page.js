(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const element = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    Object.entries(attributes || {}).forEach(([name, value]) => node.setAttribute(name, value));
    node.append(...children);
    return node;
  };
  const color = (solver) => data.colors[solver.color][dark.matches ? 1 : 0];
  const short = (value) => {
    if (value === null || value === undefined || Number.isNaN(value)) return "";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2).replace(/\.?0+e\+?/, "e");
    return String(Number(value.toPrecision(3)));
  };

  // Tables: a click on a heading sorts, a second one turns the order round.
  const number = (text) => {
    const parts = text.split("/");
    if (parts.length === 2 && parts.every((part) => /^\d+$/.test(part))) return parts[0] / parts[1];
    return text.startsWith("∞") ? Infinity : parseFloat(text);
  };
  for (const table of document.querySelectorAll("table[id]")) {
    const body = table.tBodies[0];
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      heading.setAttribute("aria-sort", "none");
      heading.querySelector("button").addEventListener("click", () => {
        const up = heading.getAttribute("aria-sort") !== "ascending";
        headings.forEach((other) => other.setAttribute("aria-sort", "none"));
        heading.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].map((row) => [row.cells[column].textContent.trim(), row]);
        const asNumbers = !rows[0] || !rows[0][1].cells[column].classList.contains("l");
        const keys = new Map(rows.map(([text, row]) => [row, asNumbers ? number(text) : text]));
        const compare = (a, b) => {
          if (!asNumbers) return (up ? 1 : -1) * (a < b ? -1 : a > b ? 1 : 0);
          // What has no number is last, whichever way.
          if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
          return a === b ? 0 : (up ? 1 : -1) * (a < b ? -1 : 1);
        };
        rows.sort((a, b) => compare(keys.get(a[1]), keys.get(b[1])));
        body.append(...rows.map(([, row]) => row));
        table.dispatchEvent(new Event("sorted"));
      });
    });
  }
  // The filter; of more rows only the first are shown, since a browser lays out thousands slowly.
  const most = 1000;
  const table = document.getElementById("rows");
  const filter = document.getElementById("filter");
  const texts = new Map([...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]));
  const apply = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let matching = 0;
    for (const row of table.tBodies[0].rows) {
      const matches = words.every((word) => texts.get(row).includes(word));
      matching += matches ? 1 : 0;
      row.hidden = !matches || matching > most;
    }
    const first = matching > most ? `the first ${most} of ` : "";
    document.getElementById("count").textContent = `${first}${matching} of ${texts.size} rows`;
  };
  filter.addEventListener("input", apply);
  table.addEventListener("sorted", apply);
  apply();
  table.classList.add("ready");

  // Lines of one chart share their x; where a line has no point there, it has a gap that is bridged.
  const align = (lines) => {
    const xs = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
    const place = new Map(xs.map((x, k) => [x, k]));
    const spread = (line, values) => {
      const row = new Array(xs.length).fill(undefined);
      line.x.forEach((x, k) => { row[place.get(x)] = values[k]; });
      return row;
    };
    return [xs, spread];
  };

  // Ticks and ends of a logarithmic axis.
  const decades = (min, max) => {
    const [low, high] = [Math.log10(min), Math.log10(max)];
    const step = Math.max(1, Math.ceil((high - low) / 8));
    const ticks = [];
    for (let k = Math.floor(low); k <= Math.ceil(high); k += 1) {
      const parts = high - low < 2 ? [1, 2, 5] : k % step === 0 ? [1] : [];
      parts.forEach((part) => ticks.push(Number(`${part}e${k}`)));
    }
    return ticks.filter((tick) => tick >= min * 0.999 && tick <= max * 1.001);
  };
  const widened = (_, min, max) => {
    if (!(min > 0)) return [0.1, 10];
    const room = max > min ? (max / min) ** 0.04 : 3;
    return [min / room, max * room];
  };

  // Charts with one list of checkboxes that shows, names and hides their lines.
  class Explorer {
    constructor(host) {
      this.charts = element("div");
      this.list = element("div", { class: "list", role: "group", "aria-label": "lines" });
      this.plots = [];
      host.replaceChildren(this.charts, this.list);
      new ResizeObserver(() => this.plots.forEach((plot) => plot.setSize({ width: this.width(), height: 300 })))
        .observe(this.charts);
    }

    width() { return Math.max(280, this.charts.clientWidth); }

    // `solvers` are places in data.solvers, the best first; `charts` what to draw of them.
    show(solvers, charts, keep) {
      this.solvers = solvers;
      this.given = charts;
      const before = keep ? this.visible : undefined;
      this.visible = solvers.map((_, place) => (before ? before[place] : place < data.named));
      this.build();
    }

    build() {
      this.plots.forEach((plot) => plot.destroy());
      this.plots = [];
      this.fill();
      this.charts.replaceChildren();
      this.given.forEach((chart) => this.draw(chart));
    }

    fill() {
      const button = (text, wanted) => {
        const node = element("button", { type: "button" }, text);
        node.addEventListener("click", () => this.solvers.forEach((_, place) => this.toggle(place, wanted(place))));
        return node;
      };
      const buttons = element("div", { class: "buttons" });
      if (this.solvers.length > data.named) buttons.append(button(`best ${data.named}`, (place) => place < data.named));
      buttons.append(button("all", () => true), button("none", () => false));
      this.where = element("div", { class: "where" });
      this.boxes = [];
      this.outputs = [];
      this.labels = this.solvers.map((index, place) => {
        const solver = data.solvers[index];
        const box = element("input", { type: "checkbox" });
        box.checked = this.visible[place];
        box.addEventListener("change", () => this.toggle(place, box.checked));
        const stroke = element("span", { "aria-hidden": "true" });
        stroke.innerHTML = `<svg width="26" height="8"><line x1="0" y1="4" x2="26" y2="4" stroke-width="2.5"/></svg>`;
        const line = stroke.querySelector("line");
        line.setAttribute("stroke", color(solver));
        line.setAttribute("stroke-dasharray", data.dashes[solver.dash].join(" "));
        const output = element("output");
        this.boxes.push(box);
        this.outputs.push(output);
        return element("label", { title: solver.name }, box, stroke, element("span", { class: "name" }, solver.name), output);
      });
      this.list.replaceChildren(buttons, this.where, ...this.labels);
    }

    toggle(place, visible) {
      this.visible[place] = visible;
      this.boxes[place].checked = visible;
      this.plots.forEach((plot) => plot.batch(() => {
        plot.lines[place].forEach((series) => plot.setSeries(series, { show: visible }));
      }));
    }

    draw(chart) {
      const host = element("div", { class: "chart" }, element("h3", {}, chart.title));
      this.charts.append(host);
      const lines = chart.lines.map((line) => ({ ...line, bands: line.bands || [] }));
      const known = lines.flatMap((line) => line.y).filter((value) => value !== null);
      const above = known.filter((value) => value > 0);
      // On a logarithmic axis 0 has its place at the bottom.
      const hasZero = chart.logY && known.includes(0);
      const floor = chart.logY ? above.reduce((least, value) => Math.min(least, value), Infinity) / (hasZero ? 10 : 1) : undefined;
      const placed = (value) => (value === null || (chart.logY && value < 0) ? null : chart.logY ? Math.max(value, floor) : value);
      if (!(chart.logY ? above : known).length) {
        host.append(element("div", { class: "none" }, chart.none || "no finite numbers to show"));
        return;
      }
      const [xs, spread] = align(lines);
      const columns = [xs];
      const series = [{}];
      const bands = [];
      const owned = [];
      const clean = (line, values) => spread(line, values.map(placed));
      lines.forEach((line, place) => {
        const solver = data.solvers[this.solvers[place]];
        const own = [];
        line.bands.forEach((values) => {
          own.push(columns.push(clean(line, values)) - 1);
          series.push({ stroke: "transparent", points: { show: false }, spanGaps: true, show: this.visible[place] });
        });
        if (own.length === 2) bands.push({ series: [own[1], own[0]], fill: color(solver) + "20" });
        own.unshift(columns.push(clean(line, line.y)) - 1);
        series.push({
          label: solver.name, stroke: color(solver), width: 2, dash: data.dashes[solver.dash], spanGaps: chart.spanGaps !== false,
          points: { show: !!chart.points, size: 5 }, show: this.visible[place], paths: chart.paths,
        });
        owned.push(own);
      });
      const axis = (label, size, log, zero) => ({
        ...(log ? {
          splits: (_, __, min, max) => (zero ? [floor, ...decades(min, max).filter((tick) => tick > 5 * floor)] : decades(min, max)),
          filter: (_, splits) => splits,
        } : {}),
        label, stroke: css("--soft"), size, labelSize: 24, labelFont: "13px system-ui", font: "12px system-ui",
        grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 },
        values: (_, splits) => splits.map((tick) => (zero && tick === floor ? "0" : short(tick))),
      });
      const plot = new uPlot({
        width: this.width(), height: 300, legend: { show: false }, focus: { alpha: 0.35 },
        cursor: { focus: { prox: 24 }, drag: { x: true, y: true, uni: 24 }, points: { size: 7 } },
        scales: {
          x: { time: false, distr: chart.logX ? 3 : 1, range: (_, min, max) => (min < max ? [min, max] : [min / 2, max * 2]) },
          y: { distr: chart.logY ? 3 : 1, range: chart.range || (chart.logY ? widened : undefined) },
        },
        axes: [axis(chart.x, 42, chart.logX), axis(chart.y, 64, chart.logY, hasZero)],
        series, bands,
        hooks: {
          setCursor: [(u) => this.tell(u, chart)],
          setSeries: [(u, place, change) => {
            if (change.focus === undefined) return;
            this.labels.forEach((label, line) => label.classList.toggle("near", place !== null && u.lines?.[line].includes(place)));
          }],
          draw: [(u) => u.placed && chart.over?.(u, this)],
        },
      }, columns, host);
      plot.lines = owned;
      plot.raw = lines.map((line) => spread(line, line.y));
      plot.placed = placed;
      if (chart.over) plot.redraw(false);
      this.plots.push(plot);
      const view = plot.root;
      view.tabIndex = 0;
      view.setAttribute("role", "img");
      view.setAttribute("aria-label", `${chart.title}. Arrow keys move along it; values stand in the list.`);
      view.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const at = Math.min(xs.length - 1, Math.max(0, (plot.cursor.idx ?? (step > 0 ? -1 : xs.length)) + step));
        plot.setCursor({ left: plot.valToPos(xs[at], "x"), top: plot.over.clientHeight / 2 });
      });
    }

    tell(u, chart) {
      const at = u.cursor.idx;
      if (!u.lines) return;
      if (at === null || at === undefined || u.cursor.left < 0) {
        this.where.textContent = "";
        this.outputs.forEach((output) => { output.textContent = ""; });
        return;
      }
      const x = u.data[0][at];
      this.where.textContent = `${chart.y} at ${chart.name(x)}`;
      this.outputs.forEach((output, place) => {
        const values = u.raw[place];
        // Lines with fewer points: the one before.
        let near = at;
        while (near > 0 && values[near] === undefined) near -= 1;
        output.textContent = this.visible[place] ? short(values[near]) || "–" : "";
      });
    }
  }

  // Curves and learning rates of a workload.
  const select = document.getElementById("workload");
  const explorer = new Explorer(document.getElementById("explorer"));
  const positive = (lines) => {
    const values = lines.flatMap((line) => line.y).filter((value) => value !== null);
    return values.every((value) => value >= 0) && values.some((value) => value > 0);
  };
  const markRates = (rows) => (u, view) => {
    const { ctx } = u;
    const zoom = devicePixelRatio;
    rows.forEach((row, place) => {
      if (!view.visible[place]) return;
      const at = (k) => [u.valToPos(row.rates[k], "x", true), u.valToPos(u.placed(row.rate_error[k]), "y", true)];
      ctx.save();
      ctx.beginPath();
      ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
      ctx.clip();
      ctx.strokeStyle = ctx.fillStyle = color(data.solvers[row.solver]);
      const inside = row.rates.map((_, k) => k)
        .filter((k) => row.rate_error[k] !== null && row.rates[k] >= row.basin[0] && row.rates[k] <= row.basin[1]);
      ctx.globalAlpha = 0.3;
      ctx.lineWidth = 8 * zoom;
      ctx.beginPath();
      inside.forEach((k) => ctx.lineTo(...at(k)));
      ctx.stroke();
      ctx.globalAlpha = 1;
      const chosen = row.rates.indexOf(row.lr);
      if (chosen >= 0 && row.rate_error[chosen] !== null) {
        const [x, y] = at(chosen);
        ctx.beginPath();
        if (row.edge) {
          const way = row.edge === "high" ? zoom : -zoom;
          ctx.moveTo(x - 4 * way, y - 6 * zoom);
          ctx.lineTo(x - 4 * way, y + 6 * zoom);
          ctx.lineTo(x + 7 * way, y);
          ctx.fill();
        } else {
          ctx.lineWidth = 2 * zoom;
          ctx.arc(x, y, 5 * zoom, 0, 2 * Math.PI);
          ctx.stroke();
        }
      }
      ctx.restore();
    });
  };
  const showWorkload = (keep) => {
    const workload = data.workloads[select.value];
    if (!workload) return;
    const curves = (what) => workload.rows.map((row) => ({
      x: row.steps.map((step) => step + 1), y: row[what][1], bands: [row[what][0], row[what][2]],
    }));
    const none = "no curves here: the config records none, or curves.csv isn't beside cells.csv";
    const step = (x) => `step ${x - 1}`;
    const [error, loss] = [curves("error"), curves("loss")];
    const rates = workload.rows.map((row) => ({ x: row.rates, y: row.rate_error }));
    const target = (u) => {
      if (workload.target === null) return;
      const y = u.valToPos(workload.target, "y", true);
      if (!(y > u.bbox.top && y < u.bbox.top + u.bbox.height)) return;
      u.ctx.save();
      u.ctx.strokeStyle = u.ctx.fillStyle = css("--soft");
      u.ctx.setLineDash([6, 4]);
      u.ctx.beginPath();
      u.ctx.moveTo(u.bbox.left, y);
      u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
      u.ctx.stroke();
      u.ctx.font = `${12 * devicePixelRatio}px system-ui`;
      u.ctx.textAlign = "left";
      u.ctx.fillText(`target ${short(workload.target)}`, u.bbox.left + 6 * devicePixelRatio, y - 5 * devicePixelRatio);
      u.ctx.restore();
    };
    explorer.show(workload.rows.map((row) => row.solver), [
      { title: `${workload.name}: error`, x: "1 + step", y: "error", name: step, logX: true, logY: positive(error), lines: error, none, over: target },
      { title: `${workload.name}: loss`, x: "1 + step", y: "loss", name: step, logX: true, logY: positive(loss), lines: loss, none },
      { title: `${workload.name}: sensitivity to the learning rate`, x: "learning rate", y: "error at the end",
        name: (x) => `rate ${short(x)}`, logX: true, logY: true, points: true, spanGaps: false, lines: rates,
        none: "every run diverged, or its error is 0", over: markRates(workload.rows) },
    ], keep);
  };
  data.workloads.forEach((workload, place) => select.append(element("option", { value: place }, workload.name)));
  select.addEventListener("change", () => showWorkload(false));

  // Profiles of all solvers.
  const profiles = new Explorer(document.getElementById("profiles"));
  const stepped = uPlot.paths.stepped({ align: 1 });
  const showProfiles = (keep) => {
    const lines = ({ x, y }) => data.order.map((solver) => ({ x, y: y[solver] }));
    const range = () => [0, 1.02];
    profiles.show(data.order, [
      { title: "Performance profile", x: "times the steps of the fastest", y: "share of workloads", name: (x) => `${short(x)} times`,
        logX: true, lines: lines(data.profile), paths: stepped, range },
      { title: "Targets reached by budget", x: "share of the budget", y: "share of targets", name: (x) => `${short(100 * x)} % of the budget`,
        logX: true, lines: lines(data.ecdf), range },
    ], keep);
  };
  const showAll = (keep) => { showWorkload(keep); showProfiles(keep); };
  showAll(false);
  dark.addEventListener("change", () => showAll(true));
})();
