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
