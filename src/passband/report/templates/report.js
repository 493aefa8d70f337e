"use strict";
(function () {
  const root = document.documentElement;
  const plots = [...document.querySelectorAll(".plot")].map((place) => {
    const script = place.querySelector("script");
    const drawing = JSON.parse(script.textContent);
    script.remove();
    return { place, drawing };
  });

  /* colors are CSS variables, so one drawing serves light and dark */
  function resolve(value, style) {
    if (typeof value === "string") {
      return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => resolve(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, resolve(item, style)]),
      );
    }
    return value;
  }

  function show() {
    const style = getComputedStyle(root);
    const family = getComputedStyle(document.body).fontFamily;
    for (const { place, drawing } of plots) {
      const { data, layout } = resolve(drawing, style);
      layout.font.family = family;
      Plotly.react(place, data, layout, {
        responsive: true,
        displayModeBar: false,
      });
    }
  }

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", show);
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    show();
  });

  /* a heading sorts its table: numbers by value, "4.9 ± 0.1" by its mean, what is missing last */
  function value(cell) {
    const text = cell.textContent.trim();
    const number = text.match(/^[-−+]?(\d[\d,]*\.?\d*|\.\d+)(e[-+]?\d+)?/i);
    if (number) return [0, Number(number[0].replace("−", "-").replaceAll(",", "")), text];
    return text === "" || text === "—" ? [2, 0, text] : [1, 0, text];
  }

  function compare(a, b, way) {
    if (a[0] === 2 || b[0] === 2) return (a[0] === 2) - (b[0] === 2);
    return way * (a[0] - b[0] || a[1] - b[1] || a[2].localeCompare(b[2]));
  }

  function sortable(heading) {
    const sort = () => {
      const body = heading.closest("table").tBodies[0];
      const way = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const keyed = [...body.rows].map((row) => [value(row.cells[heading.cellIndex]), row]);
      keyed.sort(([a], [b]) => compare(a, b, way));
      body.append(...keyed.map(([, row]) => row));
      for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
    };
    heading.tabIndex = 0;
    heading.title = "Sort";
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      sort();
    });
  }

  document.querySelectorAll("th").forEach(sortable);

  /* the numbers of a figure become a table when somebody looks */
  function unfold(details) {
    const packed = details.querySelector("script.rows");
    if (!packed) return;
    const { columns, texts, cells } = JSON.parse(packed.textContent);
    const numeric = texts.map((text) => /^[-−]?[\d.]|^—$/.test(text) && !/[a-z]{3,}/.test(text));
    const scroll = document.createElement("div");
    const table = scroll.appendChild(document.createElement("table"));
    const head = table.createTHead().insertRow();
    columns.forEach((column, i) => {
      const heading = head.appendChild(document.createElement("th"));
      heading.textContent = column;
      if (numeric[cells[i]]) heading.className = "n";
      sortable(heading);
    });
    const body = table.createTBody();
    for (let i = 0; i < cells.length; i += columns.length) {
      const row = body.insertRow();
      for (const cell of cells.slice(i, i + columns.length)) {
        const place = row.insertCell();
        place.textContent = texts[cell];
        if (numeric[cell]) place.className = "n";
      }
    }
    scroll.className = "scroll";
    packed.replaceWith(scroll);
  }

  for (const details of document.querySelectorAll("details")) {
    details.addEventListener("toggle", () => unfold(details));
  }

  /* paper is light, and drawings are as wide as it is */
  let shown;
  window.addEventListener("beforeprint", () => {
    shown = root.dataset.theme;
    root.dataset.theme = "light";
    show();
  });
  window.addEventListener("afterprint", () => {
    if (shown) root.dataset.theme = shown;
    else delete root.dataset.theme;
    show();
  });

  for (const button of document.querySelectorAll("button.csv")) {
    button.addEventListener("click", () => {
      const rows = [...button.closest("details").querySelectorAll("tr")];
      const text = rows
        .map((row) =>
          [...row.cells].map((cell) => '"' + cell.textContent.replaceAll('"', '""') + '"').join(","),
        )
        .join("\n");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text + "\n"], { type: "text/csv" }));
      link.download = button.dataset.name;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  show();
})();
