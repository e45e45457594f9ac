// The desk's tools: looking back in time, help, and the link to what is shown.
(function () {
  "use strict";
  const ET = window.ET;
  const { $ } = ET;

  // ---- time --------------------------------------------------------------------------------------------------------
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const clock = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit", timeZone: zone });
  let sent = 0;
  let waiting = 0;
  let pressed = false;

  // At most one question in 150 ms, the last one always; until it is out, answers to earlier ones do not move the slider.
  function ask(slider) {
    const wanted = Number(slider.value);
    slider.held = true;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      sent = Date.now();
      slider.held = pressed;
      ET.emit("at", wanted);
    }, Math.max(0, 150 - (Date.now() - sent)));
  }

  document.addEventListener("input", (event) => {
    if (event.target.id !== "scrub") return;
    const says = $("#scrub-says");
    if (says) says.textContent = clock.format(new Date(Number(event.target.value) * 1000)).replace(",", "");
    ask(event.target);
  });
  document.addEventListener("pointerdown", (event) => { if (event.target.id === "scrub") pressed = event.target.held = true; });
  for (const kind of ["pointerup", "pointercancel"]) {
    document.addEventListener(kind, () => {
      const slider = $("#scrub");
      if (pressed && slider && Date.now() - sent > 150) slider.held = false;
      pressed = false;
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "scrub") return;
    const slider = event.target;
    const steps = {
      ArrowLeft: { polls: -1 }, ArrowDown: { polls: -1 }, ArrowRight: { polls: 1 }, ArrowUp: { polls: 1 },
      PageDown: { hours: -1 }, PageUp: { hours: 1 },
    };
    if (event.key in steps) ET.emit("step", steps[event.key]);
    else if (event.key === "Home") ET.emit("at", Number(slider.min));
    else if (event.key === "End") ET.emit("live");
    else return;
    event.preventDefault();
  });

  function showScrub(open) {
    document.body.toggleAttribute("data-scrub", open);
    const button = $(".as-of");
    if (button) button.setAttribute("aria-expanded", String(open || document.body.hasAttribute("data-at")));
  }
  ET.closeScrub = function () {
    const open = document.body.hasAttribute("data-scrub");
    showScrub(false);
    if (open && $(".as-of")) $(".as-of").focus();
    return open;
  };
  ET.acts["as-of"] = () => {
    showScrub(!document.body.hasAttribute("data-scrub"));
    const slider = $("#scrub");
    if (slider && document.body.hasAttribute("data-scrub")) slider.focus();
  };
  ET.acts.live = () => { showScrub(false); ET.emit("live"); };
  ET.acts.step = (button) => ET.emit("step", { polls: Number(button.dataset.polls) });
  ET.onAdopt.push((said) => { document.body.toggleAttribute("data-at", Boolean(said.at)); });
  ET.onReceive.push(() => showScrub(document.body.hasAttribute("data-scrub")));

  // ---- help --------------------------------------------------------------------------------------------------------
  const SEEN = "et-help";
  const seen = () => { try { return localStorage.getItem(SEEN); } catch { return "yes"; } };
  const help = $("#help");
  // Showing a dialog leaves the Tab key's place in it, at the page's end.
  function fromTheTop() {
    document.body.tabIndex = -1;
    document.body.focus({ preventScroll: true });
    document.body.removeAttribute("tabindex");
  }
  help.addEventListener("close", () => { try { localStorage.setItem(SEEN, "yes"); } catch { /* asked again next time */ } });
  help.addEventListener("click", (event) => { if (event.target === help) help.close(); });
  ET.acts.help = () => { if (help.open) help.close(); help.showModal(); };
  ET.acts["help-close"] = () => help.close();
  // On the first visit it stands where the details come later, and in nobody's way: opening a name puts it aside.
  ET.onAdopt.push((said, first) => {
    if (first && !said.entity && !seen()) {
      const had = document.activeElement;
      help.show();
      if (had && had !== document.body) had.focus(); else fromTheTop();
    } else if (!first && said.entity && help.open && !help.matches(":modal")) help.close();
  });

  // ---- the link ----------------------------------------------------------------------------------------------------
  ET.acts.link = (button) => { button.dataset.copy = location.href; };
})();
