"use strict";
// The records of the page. Whatever they say becomes text (textContent) and never markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { records, strings, replies } = data;
  const PAGE = 50, LONGEST = 300;
  const FILTERS = ["kind", "verdict", "source", "grade", "prompt", "stage", "reason"];
  const COLUMNS = [
    { name: "record", value: (r) => textOf(r), wide: true },
    { name: "source", value: (r) => (r.kind === "document" ? r.source : r.kind) },
    { name: "grade", value: (r) => r.grade, number: true },
    { name: "cosine", value: (r) => r.cosine, number: true, digits: 3 },
    { name: "margin", value: (r) => r.margin, number: true, digits: 3, about: "cosine of the positive less its own" },
    { name: "verdict", value: (r) => r.verdict },
    { name: "reason", value: (r) => r.reason || (r.flags || []).join(", ") },
    { name: "prompt", value: (r) => (r.prompt || "").split("@")[0] },
  ];
  const $ = (id) => document.getElementById(id);
  const dialog = $("record"), body = $("rows"), search = $("search");
  const byQuery = new Map(), queries = new Map();
  const state = { shown: records, page: 0, now: 0, sort: null, down: false };
  let opened = null, waiting = 0;

  records.forEach((record, place) => {
    record.place = place;
    if (record.kind === "query") queries.set(record.id, record);
    if (record.kind === "document") {
      if (!byQuery.has(record.query)) byQuery.set(record.query, []);
      byQuery.get(record.query).push(record);
    }
  });

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    if (className) made.className = className;
    return made;
  }
  function written(tag, text, className) {
    const made = element(tag, text, className);
    made.dir = "auto";
    return made;
  }
  function string(place) { return place === undefined || place === null ? "" : strings[place]; }
  function textOf(record) {
    if (record.kind === "document") return (record.title ? record.title + " · " : "") + string(record.text);
    return string(record.text) || record.id;
  }
  function quoted(id) { return `'${id.replaceAll("'", "'\\''")}'`; } // for a shell: an id may be anything
  function short(text) { return text.length > LONGEST ? text.slice(0, LONGEST) + "…" : text; }
  function number(value, digits) {
    if (value === undefined || value === null) return "";
    return digits ? value.toFixed(digits).replace("-", "−") : String(value);
  }

  // ── filters, search, order
  const haystacks = [];
  function haystack(record) {
    if (haystacks[record.place] === undefined) {
      const query = queries.get(record.query);
      const parts = [record.id, record.query, textOf(record), query ? string(query.text) : "", record.reason, string(record.detail)];
      haystacks[record.place] = [...parts, record.prompt].join("\n").toLowerCase();
    }
    return haystacks[record.place];
  }
  function addFilter(name) {
    const counts = new Map();
    for (const record of records) {
      const value = record[name];
      if (value !== undefined && value !== null && value !== "") counts.set(value, (counts.get(value) || 0) + 1);
    }
    if (counts.size < 2) return;
    const label = element("label", name), select = element("select");
    select.name = name;
    select.append(new Option("any", ""));
    for (const value of [...counts.keys()].sort()) {
      select.append(new Option(`${value} (${counts.get(value).toLocaleString("en")})`, String(value)));
    }
    label.append(select);
    $("selects").append(label);
  }
  function choose() {
    const wanted = [...$("filters").querySelectorAll("select")].filter((select) => select.value !== "");
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    state.shown = records.filter((record) =>
      wanted.every((select) => String(record[select.name] ?? "") === select.value)
      && words.every((word) => haystack(record).includes(word)));
    order();
  }
  function order() {
    const column = state.sort;
    if (column) {
      const turn = state.down ? -1 : 1;
      const missing = (value) => value === undefined || value === null || value === "";
      const keyed = state.shown.map((record) => [column.value(record), record]);
      keyed.sort(([a, r], [b, s]) => {
        if (missing(a) || missing(b)) return missing(a) - missing(b) || r.place - s.place;
        const by = column.number ? a - b : a < b ? -1 : a > b ? 1 : 0;
        return turn * by || r.place - s.place;
      });
      state.shown = keyed.map(([, record]) => record);
    } else {
      state.shown = [...state.shown].sort((r, s) => r.place - s.place);
    }
    state.page = state.now = 0;
    show();
  }

  // ── the table
  function heads() {
    for (const column of COLUMNS) {
      const head = element("th"), button = element("button", column.name);
      head.scope = "col";
      if (column.about) button.title = column.about;
      head.className = column.wide ? "wide" : column.number ? "number" : column.name;
      button.type = "button";
      button.addEventListener("click", () => {
        state.down = state.sort === column ? !state.down : Boolean(column.number);
        state.sort = column;
        for (const other of $("columns").children) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        order();
      });
      head.append(button);
      $("columns").append(head);
    }
  }
  function row(record, place) {
    const line = element("tr");
    line.dataset.place = place;
    for (const column of COLUMNS) {
      const cell = element("td", undefined, column.wide ? "wide" : column.number ? "number" : "");
      if (column.wide) {
        const button = element("button", undefined, "open");
        button.type = "button";
        button.append(written("span", short(textOf(record)), "text"));
        const query = queries.get(record.query);
        if (record.kind === "document" && query) button.append(written("span", "for: " + short(string(query.text)), "of"));
        cell.append(button);
      } else {
        cell.textContent = column.number ? number(column.value(record), column.digits) : column.value(record);
        if (column.number) cell.dataset.label = column.name;
        if (column.name === "verdict") cell.classList.add("verdict-" + String(record.verdict).split(" ")[0]);
      }
      line.append(cell);
    }
    return line;
  }
  function show() {
    const pages = Math.max(1, Math.ceil(state.shown.length / PAGE)), start = state.page * PAGE;
    body.replaceChildren(...state.shown.slice(start, start + PAGE).map((record, k) => row(record, start + k)));
    $("count").textContent = `${state.shown.length.toLocaleString("en")} of ${records.length.toLocaleString("en")} records`;
    $("page").textContent = `page ${state.page + 1} of ${pages}`;
    $("back").disabled = state.page === 0;
    $("next").disabled = state.page >= pages - 1;
    mark();
  }
  function mark() {
    for (const line of body.children) line.classList.toggle("now", Number(line.dataset.place) === state.now);
  }
  function buttonNow() { return body.querySelector(`tr[data-place="${state.now}"] .open`); }
  function turn(by) {
    state.page += by;
    state.now = state.page * PAGE;
    show();
  }
  function move(by, started) {
    if (!state.shown.length) return;
    const next = started ? state.now + by : state.now;
    state.now = Math.min(Math.max(next, 0), state.shown.length - 1);
    const page = Math.floor(state.now / PAGE);
    if (page !== state.page) { state.page = page; show(); }
    mark();
    if (opened) open(state.shown[state.now]);
    else buttonNow()?.focus();
  }

  // ── one record
  function section(title, ...parts) {
    if (parts.length) $("record-body").append(element("h3", title), ...parts);
  }
  function pairs(rows, heads) {
    const table = element("table"), top = element("tr"), head = element("thead"), rest = element("tbody");
    heads.forEach((name) => { const cell = element("th", name); cell.scope = "col"; top.append(cell); });
    for (const values of rows) {
      const line = element("tr");
      values.forEach((value, k) => {
        const cell = written(k ? "td" : "th", value);
        if (!k) cell.scope = "row";
        line.append(cell);
      });
      rest.append(line);
    }
    head.append(top);
    table.append(head, rest);
    return table;
  }
  function passage(text) {
    const made = written("div", text, "content");
    made.tabIndex = 0;
    return made;
  }
  function link(record, text) {
    const item = element("li"), button = written("button", text);
    button.type = "button";
    button.addEventListener("click", () => open(record));
    item.append(button);
    return item;
  }
  function links(found, text) {
    const list = element("ul", undefined, "links");
    list.append(...found.map((record) => link(record, text(record))));
    return list;
  }
  function exchange(place) {
    const reply = replies[place], parts = [];
    for (const [role, text] of reply.messages) parts.push(element("p", role, "role"), passage(string(text)));
    const about = `${reply.model}, ended by ${reply.finish}, ${reply.tokens_in} tokens in, ${reply.tokens_out} out`;
    const said = [element("p", about, "role"), passage(string(reply.text))];
    if (reply.reasoning !== undefined) said.push(element("p", "reasoning", "role"), passage(string(reply.reasoning)));
    return [parts, said];
  }
  function facts(record) {
    const list = element("dl", undefined, "facts");
    const grade = record.grade === undefined ? ""
      : record.grade + (record.wanted !== record.grade ? ` (wanted: ${record.wanted})` : "");
    const rows = [["verdict", record.verdict], ["reason", record.reason], ["stage", record.stage],
      ["source", record.source], ["grade", grade], ["words", record.words], ["split", record.split],
      ["flags", (record.flags || []).join(", ")], ["prompt", record.prompt]];
    for (const [name, value] of rows) {
      if (value === undefined || value === null || value === "") continue;
      const pair = element("div");
      pair.append(element("dt", name), written("dd", value));
      list.append(pair);
    }
    return list;
  }
  function open(record) {
    opened = record;
    const query = queries.get(record.query), documents = byQuery.get(record.query) || [];
    $("record-head").textContent = `${record.kind === "document" ? record.source : record.kind} ${record.id}`;
    $("record-body").replaceChildren(facts(record));
    if (record.detail !== null) section("Why", passage(string(record.detail)));
    if (record.text !== undefined) section("Text", passage(textOf(record)));
    if (record.kind === "document" && query) section("Its query", links([query], (q) => string(q.text)));
    for (const [id, text] of record.passages || []) section(`Written from ${id}`, passage(string(text)));
    if ((record.checks || []).length) section("Checks", pairs(record.checks, ["check", "seen", "must be"]));
    const scores = Object.entries(record.scores || {});
    if (scores.length) section("Scores", pairs(scores.map(([name, value]) => [name, number(value, 4)]), ["scorer", "value"]));
    if (record.reply !== undefined && record.reply !== null) {
      const [sent, said] = exchange(record.reply);
      section("Prompt as sent", ...sent);
      section("Raw reply", ...said);
    }
    for (const place of record.judges || []) {
      const [sent, said] = exchange(place);
      section("What a judge was asked", ...sent);
      section("What it said", ...said);
    }
    if (record.origin !== undefined) section("Origin", passage(string(record.origin)));
    const others = documents.filter((other) => other !== record);
    if (others.length) {
      section(record.kind === "query" ? "Its documents" : "Other documents of the query", links(others, (other) =>
        `${other.verdict}${other.reason ? " (" + other.reason + ")" : ""} · ${other.source} · grade ${other.grade} · ${short(textOf(other))}`));
    }
    section("On the command line", passage(`synthneg show ${data.run} ${quoted(record.id)}`));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    $("close").focus();
  }

  // ── keys, clicks, theme, paper
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const within = opened !== null || body.contains(document.activeElement);
    const step = { j: 1, k: -1 }[event.key] ?? (body.contains(document.activeElement) ? { ArrowDown: 1, ArrowUp: -1 }[event.key] : undefined);
    if (step) { event.preventDefault(); move(step, within); }
    else if (event.key === "/" && !opened) { event.preventDefault(); search.focus(); search.select(); }
  });
  body.addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (!line || String(getSelection())) return;
    state.now = Number(line.dataset.place);
    mark();
    open(state.shown[state.now]);
  });
  body.addEventListener("focusin", (event) => {
    if (opened) return; // the browser gives the focus back to where it was; `close` puts it where the reader is
    state.now = Number(event.target.closest("tr").dataset.place);
    mark();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { opened = null; buttonNow()?.focus(); });
  $("close").addEventListener("click", () => dialog.close());
  $("back").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("filters").addEventListener("submit", (event) => { // Enter in the search: to its first find
    event.preventDefault();
    clearTimeout(waiting);
    choose();
    move(0, false);
  });
  $("filters").addEventListener("reset", () => setTimeout(choose));
  $("filters").addEventListener("change", choose);
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(choose, 80); });
  const THEMES = [["", "as the system"], ["light", "light"], ["dark", "dark"]];
  let theme = 0;
  $("theme").addEventListener("click", () => {
    theme = (theme + 1) % THEMES.length;
    document.documentElement.dataset.theme = THEMES[theme][0];
    $("theme").textContent = `Theme: ${THEMES[theme][1]}`;
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));

  FILTERS.forEach(addFilter);
  heads();
  show();
  performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
})();
