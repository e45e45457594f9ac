// The wall follows by itself for weeks: it looks at /wall/state by a timer, and at once when the stream hints at news.
// What it must never do is show old data as new, so every age is counted here, from the server's time at the last answer
// and the longer of two local clocks (one of them stands still while the machine sleeps). The server makes all markup.
(() => {
  "use strict";
  const root = document.documentElement;
  const $ = (selector, from) => (from || document).querySelector(selector);
  const WORDS = JSON.parse($("#words").textContent);
  const LOST_MS = Number(root.dataset.lost) * 1000;
  const BANNER_S = 90, GLIDE_MS = 400, TIMEOUT_MS = 10000, HOUR = 3600e3, DAY_HOURS = [7, 19];
  const rows = $(".rows");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const params = new URLSearchParams(location.search);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC"; // its own; the address's is the server's to judge
  document.cookie = `et_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  params.set("tz", zone);
  const address = `/wall/state?${params}`;

  let state = null;   // the newest state, or null
  let tag = "";
  let anchor = null;  // at the last good answer: the world's time, its speed, and both local clocks
  let refused = 0;    // 401 or 403 while the server says so
  let looking = false, again = false, failures = 0, timer = 0, hint = 0;
  let stream = null;
  let beatWall = Date.now(), beatMono = performance.now();
  const begun = { wall: beatWall, mono: beatMono };

  // ---- time --------------------------------------------------------------------------------------------------------
  // a clock that was set back must not make anything younger, one that slept must not either
  const since = (mono, wall) => Math.max(performance.now() - mono, Date.now() - wall, 0);
  const silence = () => since((anchor || begun).mono, (anchor || begun).wall);
  const now = () => anchor.server + silence() * anchor.speed;

  function span(ms) {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    if (seconds < 60) return `${seconds} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60), rest = minutes % 60;
    if (hours < 48) return rest && hours < 12 ? `${hours} h ${rest} min` : `${hours} h`;
    return `${Math.floor(hours / 24)} days`;
  }
  const formats = {};
  function clock(ms, seconds) {
    const key = `${state ? state.zone : zone} ${seconds}`;
    formats[key] ||= format(state ? state.zone : zone, seconds);
    return formats[key].format(ms);
  }
  function format(timeZone, seconds) {
    const looks = { hour: "2-digit", minute: "2-digit", ...(seconds && { second: "2-digit" }), hourCycle: "h23" };
    try { return new Intl.DateTimeFormat("en-GB", { timeZone, ...looks }); }
    catch { return new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...looks }); } // a zone this browser does not know
  }
  const fill = (words, value) => words.replace("{}", value);
  function put(node, text) { if (node && node.textContent !== text) node.textContent = text; }

  function limit() {
    if (AbortSignal.timeout) return AbortSignal.timeout(TIMEOUT_MS);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), TIMEOUT_MS);
    return stop.signal;
  }

  // ---- looking -----------------------------------------------------------------------------------------------------
  async function look() {
    if (looking) { again = true; return; }
    looking = true;
    clearTimeout(timer);
    const mono = performance.now(), wall = Date.now();
    try {
      const answer = await fetch(address, {
        cache: "no-store", redirect: "manual", signal: limit(), headers: tag ? { "If-None-Match": tag } : {},
      });
      const out = answer.type === "opaqueredirect" || answer.status === 401;
      refused = out ? 401 : answer.status === 403 ? 403 : 0;
      const server = Number(answer.headers.get("ET-Now"));
      if (!refused && (answer.status === 304 || answer.ok) && server > 0) {
        const fresh = answer.status === 304 ? null : await answer.json();
        if (fresh && fresh.kind !== "wall") throw new Error("not a wall");
        // counted from the asking: on a slow line what comes is rather older than younger
        const speed = Number.parseFloat(answer.headers.get("ET-Speed"));
        take({ server, speed: Number.isFinite(speed) ? speed : 1, mono, wall }, fresh); // 0: paused
        if (fresh) tag = answer.headers.get("ETag") || "";
        failures = 0;
        follow();
      } else failures += 1;
    } catch { failures += 1; }
    looking = false;
    const seconds = failures ? Math.min(15, 1.5 * 2 ** Math.min(failures, 5)) : state.poll_s;
    timer = setTimeout(look, again ? 200 : seconds * 1000 * (0.85 + 0.3 * Math.random()));
    again = false;
    tick();
  }
  // screens that heard the same event spread over a fifth of a second
  function soon() { clearTimeout(hint); hint = setTimeout(look, 20 + 180 * Math.random()); }

  function follow() {
    if (stream && stream.readyState !== EventSource.CLOSED) return;
    stream = new EventSource("/api/v1/stream");
    for (const kind of ["heat", "alert", "action"]) stream.addEventListener(kind, soon);
    stream.onopen = soon; // what happened between the last answer and now was told to nobody
  }

  // what could not be shown is not known: the next look asks for it again, and ages go on from what is seen
  function take(at, fresh) {
    const was = [anchor, state];
    anchor = at;
    try { if (fresh) show(fresh); } catch (problem) { [anchor, state] = was; throw problem; }
  }

  // ---- showing -----------------------------------------------------------------------------------------------------
  function show(fresh) {
    state = fresh;
    for (const [name, html] of Object.entries(fresh.regions)) {
      const place = $(`[data-region="${name}"]`);
      if (place && place.made !== html) { place.innerHTML = html; place.made = html; }
    }
    order(fresh.rows);
    const banner = $(".banner");
    if (fresh.alert && banner.made !== fresh.alert.id && shows(fresh.alert)) {
      banner.innerHTML = fresh.alert.html; // read out once, when it comes
      banner.made = fresh.alert.id;
    }
    if (fresh.assets !== root.dataset.assets) reload(60e3);
  }

  function order(wanted) {
    const had = new Map(Array.from(rows.children, (node) => [node.dataset.key, node]));
    const tops = new Map(Array.from(had, ([key, node]) => [key, node.offsetTop]));
    const first = state && !rows.made;
    rows.made = true;
    const kept = new Set(wanted.map((row) => row.key));
    for (const [key, node] of had) if (!kept.has(key)) node.remove();
    let at = rows.firstElementChild;
    for (const row of wanted) {
      let node = had.get(row.key);
      if (!node) {
        node = document.createElement("div");
        node.setAttribute("role", "row");
        node.dataset.key = row.key;
      }
      node.className = row.eligible ? "row eligible" : "row";
      if (node.made !== row.html) { node.innerHTML = row.html; node.made = row.html; }
      if (node === at) at = at.nextElementSibling;
      else rows.insertBefore(node, at);
    }
    if (still.matches || first) return;
    for (const node of rows.children) {
      const was = tops.get(node.dataset.key), moved = was === undefined ? 0 : was - node.offsetTop;
      const timing = { duration: GLIDE_MS, easing: "cubic-bezier(.3, 0, .2, 1)" };
      // who climbs passes over who falls
      if (moved) node.animate([{ transform: `translateY(${moved}px)`, zIndex: moved > 0 ? 2 : 1 }, { transform: "none", zIndex: moved > 0 ? 2 : 1 }], timing);
      else if (was === undefined) node.animate([{ opacity: 0 }, { opacity: 1 }], timing);
    }
  }

  // ---- what the screen says by itself --------------------------------------------------------------------------------
  const shows = (alert) => (now() - alert.at) / Math.max(anchor.speed, 1) < BANNER_S * 1000;

  function trouble() {
    if (refused) return ["out", fill(WORDS[refused === 401 ? "signed-out" : "refused"], anchor ? clock(anchor.server) : "?"), anchor && anchor.server];
    const quiet = silence();
    if (!anchor) return quiet > LOST_MS ? ["cut", `${WORDS.ever} ${WORDS.lost} ${span(quiet)}`, null] : ["starting", "", null];
    if (state.stale) {
      const head = state.stale.since ? fill(WORDS.stale, clock(state.stale.since)) : WORDS.ever;
      const age = state.stale.since ? ` ${span(now() - state.stale.since)}` : "";
      return ["stale", `${head} ${state.stale.words}${age}`, state.stale.since || state.as_of];
    }
    if (quiet > LOST_MS) return ["cut", `${fill(WORDS.stale, clock(anchor.server))} ${WORDS.lost} ${span(quiet)}`, state.data_at || anchor.server];
    // the server answers, but nobody has scored: judged by its own clock
    if (state.as_of && anchor.server - state.as_of > state.late_ms) {
      return ["stale", `${fill(WORDS.stale, clock(state.as_of))} ${WORDS.late} ${span(now() - state.as_of)}`, state.as_of];
    }
    return state.alert && shows(state.alert) ? ["alert", "", null] : ["calm", "", null];
  }

  function dull(old, from) {
    const first = !old || (state && from === null) ? 24 : !state ? 0 : Math.min(state.hours.findIndex((hour) => hour > from) >>> 0, state.hours.length - 1);
    const key = `${first} ${tag}`;
    if (rows.dulled === key) return;
    rows.dulled = key;
    for (const cells of rows.querySelectorAll(".cells")) {
      cells.querySelectorAll("i").forEach((node, at) => node.classList.toggle("dull", at >= first));
    }
  }

  function tick() {
    const wall = Date.now(), mono = performance.now();
    const jumped = Math.abs(wall - beatWall - (mono - beatMono)) > 3000 || mono - beatMono > 10000;
    beatWall = wall; beatMono = mono;
    if (jumped) look(); // slept, was frozen, or the clock was set
    const [mood, text, from] = trouble();
    if (root.dataset.mood !== mood) root.dataset.mood = mood;
    put($(".trouble"), text);
    dull(["stale", "cut", "out"].includes(mood), from);
    if (anchor) facts();
    surroundings(wall);
  }

  function facts() {
    const at = now();
    put($(".clock"), clock(at, anchor.speed === 1));
    put($(".age"), state.data_at ? fill(WORDS.age, span(at - state.data_at)) : WORDS.nothing);
    const left = state.next_poll === null ? null : state.next_poll - at;
    const far = anchor.speed !== 1 || left > HOUR;
    const due = left > 0 ? (far ? clock(state.next_poll) : `${Math.floor(left / 60e3)}:${String(Math.floor(left / 1000) % 60).padStart(2, "0")}`) : "";
    put($(".next"), silence() > LOST_MS || refused ? "" : left === null ? WORDS.none : due ? fill(WORDS.next, due) : WORDS.due);
    for (const node of document.querySelectorAll("[data-since]")) put(node, span(at - Number(node.dataset.since)));
  }

  // ---- a screen that stays on for weeks ------------------------------------------------------------------------------
  let minute = -1;
  const nightly = (() => { // some time after four in the morning, each screen at its own
    const at = new Date();
    at.setHours(28, 0, 0, 0);
    return at.getTime() - (at - Date.now() > 26 * HOUR ? 24 * HOUR : 0) + Math.random() * HOUR;
  })();

  function surroundings(wall) {
    if (Math.floor(wall / 60e3) === minute) return;
    minute = Math.floor(wall / 60e3);
    const unit = Math.min(innerHeight / 1080, innerWidth / 1920);
    const away = (period, turn) => Math.round(5 * unit * Math.sin(2 * Math.PI * (minute / period + turn)));
    $("#screen").style.transform = `translate(${away(47, 0)}px, ${away(61, 0.25)}px)`; // no pixel stays what it was for hours
    if (root.dataset.asked === "auto") {
      const hour = Number(clock(wall).slice(0, 2));
      root.dataset.theme = hour >= DAY_HOURS[0] && hour < DAY_HOURS[1] ? "day" : "night";
    }
    if (wall > nightly) reload(HOUR);
  }

  // Only when the page is sure to come: a browser's own error page would never find back.
  async function reload(pause) {
    if (Date.now() - Number(sessionStorage.getItem("et_wall_reload") || 0) < pause) return;
    try {
      const page = await fetch(location.href, { cache: "no-store", redirect: "manual", signal: limit() });
      if (!page.ok || !(await page.text()).includes('id="wall"')) return;
    } catch { return; }
    sessionStorage.setItem("et_wall_reload", String(Date.now()));
    location.reload();
  }

  window.ETWall = { look, get state() { return state; } };
  for (const event of ["online", "focus", "pageshow", "resume"]) window.addEventListener(event, soon);
  document.addEventListener("visibilitychange", soon);
  setInterval(tick, 1000);
  look();
})();
