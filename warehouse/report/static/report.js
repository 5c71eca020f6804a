// What a page of the report can do: switch its language, sort, filter and copy its tables, and show
// another clause or year on the map and in the matrix. Every page reads well without it. Nothing is
// computed here: figures come as wording from the publication, so no rounding happens twice.
"use strict";

(() => {
  const html = document.documentElement;
  const KEY = "jzedu-language";

  const remembered = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const remember = (language) => {
    try { localStorage.setItem(KEY, language); } catch { /* a browser may refuse storage */ }
  };

  // --- Language ---------------------------------------------------------------------------------

  const asked = new URLSearchParams(location.search).get("lang");
  const setLanguage = (language) => { html.lang = language === "en" ? "en" : "zh-CN"; };
  const inEnglish = () => html.lang === "en";
  if (asked === "zh" || asked === "en") remember(asked);
  setLanguage(asked ?? remembered()); // before the first paint

  // Texts that an element with a language cannot hold: options, labels, and the links themselves,
  // which carry the choice along where a browser gives each file a storage of its own.
  function showLanguage() {
    for (const option of document.querySelectorAll("option[data-en]")) {
      option.textContent = inEnglish() ? option.dataset.en : option.dataset.zh;
    }
    for (const element of document.querySelectorAll("[data-label-en]")) {
      element.dataset.labelZh ??= element.getAttribute("aria-label");
      element.setAttribute("aria-label", inEnglish() ? element.dataset.labelEn : element.dataset.labelZh);
    }
    for (const link of document.querySelectorAll('a[href*=".html"]')) {
      const [page, place] = link.getAttribute("href").split("#");
      const query = `?lang=${inEnglish() ? "en" : "zh"}`;
      link.setAttribute("href", page.split("?")[0] + query + (place ? `#${place}` : ""));
    }
    const [heading, name] = ["h1", ".masthead .name"].map((s) => document.querySelector(s)?.innerText.trim());
    document.title = [heading, name].filter(Boolean).join(" · ");
  }

  function switchLanguage() {
    const language = inEnglish() ? "zh" : "en";
    setLanguage(language);
    remember(language);
    const url = new URL(location.href);
    url.searchParams.set("lang", language);
    history.replaceState(null, "", url);
    showLanguage();
  }

  // --- Sorting ----------------------------------------------------------------------------------

  const NUMBER = /^[+\-\u2212]?[\d,]*\d(\.\d+)?(e[+-]?\d+)?%?$/i;
  const numberOf = (text) => (NUMBER.test(text) ? parseFloat(text.replace(/,/g, "").replace("\u2212", "-")) : NaN);

  // The text that shows, without what the other language hides.
  const shownText = (cell) => cell.innerText.trim();

  function sortKey(cell) {
    const text = cell.dataset.sort ?? shownText(cell);
    if (text === "" || text === "—") return null;
    return text;
  }

  function compare(a, b) {
    const [x, y] = [numberOf(a), numberOf(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "zh-CN", { numeric: true }) : x - y;
  }

  function sortBy(button) {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = [...head.parentElement.children].indexOf(head);
    const falling = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, key: sortKey(row.cells[column]) }));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return falling ? compare(b.key, a.key) : compare(a.key, b.key);
    });
    for (const { row } of rows) {
      row.classList.remove("group");
      body.append(row);
    }
  }

  // --- Copying ----------------------------------------------------------------------------------

  // A cell that a spreadsheet would compute gets an apostrophe; numbers stay (warehouse/report/sheets.py).
  const FORMULA = /^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]/;
  function harmless(text) {
    const line = text.replace(/[\s\u0085]+/g, " ").trim();
    return FORMULA.test(line) && !/^[+-]?\d[\d,]*(\.\d+)?%?$/.test(line) ? `'${line}` : line;
  }

  function cellsOf(table) {
    const skipped = new Set();
    [...table.tHead.rows[0].cells].forEach((cell, i) => { if ("skip" in cell.dataset) skipped.add(i); });
    return [table.tHead.rows[0], ...table.tBodies[0].rows]
      .filter((row) => !row.hidden)
      .map((row) => [...row.cells].filter((_, i) => !skipped.has(i)).map((cell) => harmless(shownText(cell))));
  }

  async function copyTable(button) {
    const text = cellsOf(button.closest(".table").querySelector("table"))
      .map((row) => row.join("\t")).join("\n");
    try {
      await navigator.clipboard.writeText(text);
    } catch { // not every browser lets a page that was opened from a disk use the clipboard
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.classList.add("done");
    button.addEventListener("blur", () => button.classList.remove("done"), { once: true });
  }

  function saveTable(button) {
    const quoted = (cell) => (/[",\n]/.test(cell) ? `"${cell.replace(/"/g, '""')}"` : cell);
    const rows = cellsOf(button.closest(".table").querySelector("table"));
    const text = "\uFEFF" + rows.map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    link.download = `${document.title} ${button.dataset.csv}.csv`.replace(/[\\/:*?"<>|]/g, " ");
    link.click();
    URL.revokeObjectURL(link.href);
  }

  // --- Filters ----------------------------------------------------------------------------------

  function filterByStatus(button) {
    const list = button.closest("[data-filter]");
    const on = button.getAttribute("aria-pressed") !== "true";
    for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", String(on));
    for (const row of document.querySelectorAll(`#${list.dataset.filter} tbody tr`)) {
      row.hidden = on && row.dataset.status !== button.dataset.status;
    }
  }

  function filterByYear(select) {
    for (const row of document.querySelectorAll(`#${select.dataset.rowsOf} tbody tr`)) {
      row.hidden = select.value !== "" && row.dataset.of !== "" && row.dataset.of !== select.value;
    }
  }

  // --- Map and matrix ---------------------------------------------------------------------------

  function figuresOfPage() {
    const data = document.getElementById("figures");
    return data && JSON.parse(data.textContent);
  }

  function put(element, selector, text) {
    const target = element.querySelector(selector);
    if (target) target.textContent = text;
  }

  // Give an element the class, the mark, the figure and the words of a verdict.
  function showVerdict(element, figures, told) {
    const [status, zh, en] = told ? figures.statuses[told[0]] : [null, "—", "—"];
    for (const name of [...element.classList]) if (name.startsWith("s-")) element.classList.remove(name);
    if (status) element.classList.add(`s-${status}`);
    const mark = element.querySelector("use");
    if (mark) {
      mark.setAttribute("href", `#m-${status ?? "not_applicable"}`);
      if (mark.parentElement.matches("svg.mark")) mark.parentElement.setAttribute("class", `mark${status ? ` s-${status}` : ""}`);
    }
    put(element, ".figure", told ? told[1] : "");
    put(element, ".short", told?.[2] ?? "");
    for (const word of element.querySelectorAll(".word")) {
      if (word.tagName.toLowerCase() === "text") {
        word.textContent = word.getAttribute("lang") === "en" ? en : zh;
      } else {
        word.replaceChildren(...[["zh", zh], ["en", en]].map(([lang, text]) => {
          const span = document.createElement("span");
          span.lang = lang;
          span.textContent = text;
          return span;
        }));
      }
    }
  }

  function showMatrix(figures, year) {
    for (const cell of document.querySelectorAll("td[data-c]")) {
      const told = figures.cells[cell.dataset.c][year][figures.regions.indexOf(cell.dataset.r)];
      cell.classList.toggle("void", !told);
      showVerdict(cell, figures, told);
    }
  }

  function showMap(figures, clause, year) {
    const [zh, en, page, reading] = figures.names[clause];
    const link = document.querySelector("[data-clause-link]");
    link.setAttribute("href", `${page}?lang=${inEnglish() ? "en" : "zh"}`);
    put(document, "[data-clause-id]", clause);
    put(document, "[data-clause-zh]", zh);
    put(document, "[data-clause-en]", en);
    put(document, "[data-target-zh]", figures.targets[clause][0]);
    put(document, "[data-target-en]", figures.targets[clause][1]);
    document.querySelector("[data-dagger]").hidden = !reading;
    document.querySelector("[data-reading]").hidden = !reading;
    put(document, "[data-reading-zh]", reading ? reading[0] : "");
    put(document, "[data-reading-en]", reading ? reading[1] : "");
    for (const element of document.querySelectorAll("[data-r]")) {
      showVerdict(element, figures, figures.cells[clause][year][figures.regions.indexOf(element.dataset.r)]);
    }
  }

  function choose() {
    const figures = figuresOfPage();
    const year = document.querySelector('[data-choose="year"]').value;
    const clause = document.querySelector('[data-choose="clause"]');
    for (const output of document.querySelectorAll("[data-year]")) output.textContent = year;
    for (const note of document.querySelectorAll("[data-note-of]")) note.hidden = note.dataset.noteOf !== year;
    if (clause) showMap(figures, clause.value, year);
    else showMatrix(figures, year);
  }

  // --- Start ------------------------------------------------------------------------------------

  document.addEventListener("DOMContentLoaded", () => {
    showLanguage();
    document.querySelector("[data-language]").addEventListener("click", switchLanguage);
    const on = (selector, event, action) => {
      for (const element of document.querySelectorAll(selector)) element.addEventListener(event, () => action(element));
    };
    on("[data-sort-by]", "click", sortBy);
    on("[data-copy]", "click", copyTable);
    on("[data-csv]", "click", saveTable);
    on("[data-filter] button", "click", filterByStatus);
    on("[data-rows-of]", "change", filterByYear);
    on("[data-choose]", "change", choose);
    // A browser may restore the choices of an earlier visit: show what they say.
    for (const select of document.querySelectorAll("[data-rows-of]")) filterByYear(select);
    if (document.querySelector("[data-choose]")) choose();
  });
})();
