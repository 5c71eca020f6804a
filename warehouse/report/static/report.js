// What a page of the report can do: switch its language, fold, sort, search, filter and copy its tables, save
// its chart as an image, and show another clause or year on the map and in the matrix. Every page reads well without it. Nothing is
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
  html.classList.add("js"); // what is folded needs somebody who unfolds it

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
    labelCards();
  }

  // On a narrow screen each row is a card: its cells say which column they are of.
  const narrow = matchMedia("(max-width: 700px)");
  function labelCards() {
    if (!narrow.matches) return;
    for (const table of document.querySelectorAll(".cards table")) {
      const heads = [...table.tHead.rows[0].cells].map((head) => head.innerText.trim());
      for (const row of table.querySelectorAll("tbody tr:not(.field)")) {
        [...row.cells].forEach((cell, i) => {
          cell.dataset.label = heads[i];
          cell.classList.toggle("dash", cell.textContent.trim() === "—");
        });
      }
    }
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
    if (table.tBodies.length > 1) takeOutOfFields(table);
    const rows = dataRows(table).map((row) => ({ row, key: sortKey(row.cells[column]) }));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return falling ? compare(b.key, a.key) : compare(a.key, b.key);
    });
    for (const { row } of rows) {
      row.classList.remove("group");
      body.append(row);
    }
  }

  const dataRows = (table) => [...table.querySelectorAll("tbody tr:not(.field)")];

  // Sorted by a column, clauses stand in one list; the fields of work come back by their own button.
  function takeOutOfFields(table) {
    table.inFields ??= [...table.tBodies].map((body) => [body, [...body.rows]]);
    table.classList.add("flat");
    const back = table.closest(".table").querySelector("[data-by-field]");
    if (back) back.hidden = false;
  }

  function backToFields(button) {
    const table = button.closest(".table").querySelector("table");
    for (const [body, rows] of table.inFields ?? []) body.append(...rows);
    for (const head of table.querySelectorAll("[aria-sort]")) head.removeAttribute("aria-sort");
    table.classList.remove("flat");
    button.hidden = true;
  }

  function fold(button) {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    document.getElementById(button.getAttribute("aria-controls")).classList.toggle("open", open);
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
    // What is folded belongs to the table too, and has a text that shows only while it is unfolded.
    table.classList.add("whole");
    const told = [table.tHead.rows[0], ...dataRows(table)]
      .filter((row) => !row.hidden)
      .map((row) => [...row.cells].filter((_, i) => !skipped.has(i)).map((cell) => harmless(shownText(cell))));
    table.classList.remove("whole");
    return told;
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
    filterRows(document.getElementById(list.dataset.filter));
  }

  // Show the rows of the status that is pressed and with the words that are searched for.
  function filterRows(box) {
    const status = document.querySelector(`[data-filter="${box.id}"] [aria-pressed="true"]`)?.dataset.status;
    const words = (box.querySelector("[data-search]")?.value ?? "").trim().toLowerCase();
    const table = box.querySelector("table");
    for (const row of dataRows(table)) {
      const name = row.querySelector("th")?.textContent.toLowerCase() ?? "";
      row.hidden = (status !== undefined && row.dataset.status !== status) || !name.includes(words);
    }
    table.classList.toggle("whole-found", status !== undefined || words !== "");
    for (const head of table.querySelectorAll("tr.field")) {
      const folded = head.parentElement.nextElementSibling;
      const bodies = [head.parentElement, ...(folded?.matches(".folded") ? [folded] : [])];
      head.hidden = !bodies.some((body) => body.querySelector("tr:not(.field):not([hidden])"));
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
    const [status, zh, en] = told ? figures.statuses[told[0]] : [null, ...figures.not_judged];
    for (const name of [...element.classList]) if (/^(s|grade)-/.test(name)) element.classList.remove(name);
    if (told?.[3] !== undefined) element.classList.add(`grade-${told[3]}`);
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
        word.replaceChildren(...inBoth(zh, en));
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
    showGrades(figures.grades[clause][year] ?? []);
    for (const element of document.querySelectorAll("[data-r]")) {
      showVerdict(element, figures, figures.cells[clause][year][figures.regions.indexOf(element.dataset.r)]);
    }
  }

  function inBoth(zh, en) {
    return [["zh", zh], ["en", en]].map(([lang, text]) => {
      const span = document.createElement("span");
      span.lang = lang;
      span.textContent = text;
      return span;
    });
  }

  // The figures that each shade of what is only watched stands for.
  function showGrades(grades) {
    const list = document.querySelector("[data-grades]");
    list.hidden = !grades.length;
    list.replaceChildren(...grades.map(([step, [zh, en]]) => {
      const item = document.createElement("li");
      item.className = `grade-${step}`;
      item.append(...inBoth(zh, en));
      return item;
    }));
  }

  // The address of the page says which clause and year it shows; so does a link from a clause's page.
  function choicesOfAddress() {
    const query = new URLSearchParams(location.search);
    const linked = location.hash.match(/^#clause-(.+)$/)?.[1];
    for (const select of document.querySelectorAll("[data-choose]")) {
      const asked = query.get(select.dataset.choose) ?? (select.dataset.choose === "clause" ? linked : null);
      if (asked && [...select.options].some((option) => option.value === asked)) select.value = asked;
    }
  }

  function keepChoices() {
    const url = new URL(location.href);
    for (const select of document.querySelectorAll("[data-choose]")) url.searchParams.set(select.dataset.choose, select.value);
    if (url.hash.startsWith("#clause-")) url.hash = "";
    history.replaceState(null, "", url);
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

  // --- A chart as an image ------------------------------------------------------------------------

  const DRAWN = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity",
    "font-family", "font-size", "font-weight", "text-anchor", "paint-order", "display"];

  // A copy of a drawing that needs no style sheet and none of the page's shapes.
  function standingAlone(svg) {
    const copy = svg.cloneNode(true);
    const drawn = [...svg.querySelectorAll("*")];
    [...copy.querySelectorAll("*")].forEach((element, i) => {
      const style = getComputedStyle(drawn[i]);
      if (style.display === "none") { element.dataset.gone = ""; return; }
      for (const name of DRAWN) element.style.setProperty(name, style.getPropertyValue(name));
      if (element.tagName === "use") {
        const shape = document.querySelector(element.getAttribute("href")).cloneNode(true);
        const original = document.querySelector(element.getAttribute("href"));
        const tone = style.getPropertyValue("--tone").trim() || "#68737b";
        [...shape.children].forEach((part, j) => {
          const own = getComputedStyle(original.children[j]);
          const plain = own.fill !== "none" && !original.children[j].matches(".hollow, .ring");
          part.style.cssText = `fill:${plain && !part.matches(".cut") ? tone : own.fill};stroke:${own.stroke};stroke-width:${own.strokeWidth}`;
        });
        const nested = document.createElementNS(svg.namespaceURI, "svg");
        for (const name of ["x", "y", "width", "height"]) nested.setAttribute(name, element.getAttribute(name));
        nested.setAttribute("viewBox", shape.getAttribute("viewBox"));
        nested.append(...shape.children);
        element.replaceWith(nested);
      }
    });
    for (const gone of copy.querySelectorAll("[data-gone]")) gone.remove();
    return copy;
  }

  function saveImage(button) {
    const figure = button.closest("[data-image]");
    const copy = standingAlone(figure.querySelector("svg"));
    const [, , width, height] = copy.getAttribute("viewBox").split(" ").map(Number);
    const [above, below] = [44, 34];
    copy.setAttribute("viewBox", `0 ${-above} ${width} ${height + above + below}`);
    copy.setAttribute("width", width);
    copy.setAttribute("height", height + above + below);
    const ground = document.createElementNS(copy.namespaceURI, "rect");
    for (const [name, value] of Object.entries({ x: 0, y: -above, width, height: height + above + below, fill: "#fff" })) ground.setAttribute(name, value);
    copy.prepend(ground);
    const font = getComputedStyle(document.body).fontFamily;
    [...figure.querySelectorAll("figcaption")].forEach((caption, i) => {
      const text = document.createElementNS(copy.namespaceURI, "text");
      text.textContent = shownText(caption);
      text.setAttribute("x", 8);
      text.setAttribute("y", i ? height + 20 : -18);
      text.style.cssText = `font:${i ? "11px" : "600 15px"} ${font};fill:#20262b`;
      copy.append(text);
    });
    const image = new Image();
    image.addEventListener("load", () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * width, 2 * (height + above + below)];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = `${document.title} ${figure.dataset.image}.png`.replace(/[\\/:*?"<>|]/g, " ");
        link.click();
        URL.revokeObjectURL(link.href);
      });
    });
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  }

  // On a phone the parts that few need are closed; on paper all are open.
  function closeParts() {
    for (const part of document.querySelectorAll("details.part")) part.open = !narrow.matches || location.hash === `#${part.id}`;
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
    on("[data-choose]", "change", () => { choose(); keepChoices(); });
    on("[data-fold]", "click", fold);
    on("[data-by-field]", "click", backToFields);
    on("[data-search]", "input", (field) => filterRows(field.closest(".table")));
    on("[data-save-image]", "click", saveImage);
    for (const button of document.querySelectorAll("[data-save-image]")) button.hidden = false;
    for (const button of document.querySelectorAll("[data-fold]")) button.setAttribute("aria-expanded", "false");
    closeParts();
    narrow.addEventListener("change", () => { closeParts(); labelCards(); });
    addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details.part")) part.open = true; });
    choicesOfAddress();
    // A browser may restore the choices of an earlier visit: show what they say.
    for (const select of document.querySelectorAll("[data-rows-of]")) filterByYear(select);
    if (document.querySelector("[data-choose]")) choose();
  });
})();
