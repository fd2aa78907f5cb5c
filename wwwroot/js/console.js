// What only the browser can do: keys, the clock's hands, menus that close, the theme's cookie, a log that follows.
(() => {
  "use strict";

  const two = (number) => String(number).padStart(2, "0");

  function tick() {
    for (const clock of document.querySelectorAll("[data-clock]")) {
      const hands = clock.querySelector("[data-clock-time]");
      const now = new Date(Number(clock.dataset.clock) + (Date.now() - (clock.startedAt ??= Date.now())));
      const local = new Date(now.getTime() + Number(clock.dataset.offset) * 60000);
      hands.textContent = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}:${two(local.getUTCSeconds())}`;
      clock.dateTime = now.toISOString();
      clock.title = `${now.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    }
  }

  setInterval(tick, 1000);
  new MutationObserver((_, observer) => {
    if (document.querySelector("[data-clock]")) {
      tick();
      observer.disconnect();
    }
  }).observe(document.documentElement, { childList: true, subtree: true });

  // The "skip to content" link: an address with "#" would leave the page, because of its base address.
  document.addEventListener("click", (event) => {
    const skip = event.target.closest("[data-focus]");
    if (skip) {
      event.preventDefault();
      document.getElementById(skip.dataset.focus)?.focus();
    }
  });

  // Arrows, Home and End move inside a chart of slots; the page must not scroll away under it.
  document.addEventListener("keydown", (event) => {
    if ((event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") && event.target.matches?.("[data-slots]")) {
      event.preventDefault();
    }
  });

  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (menu !== except) {
        menu.open = false;
      }
    }
  };

  document.addEventListener("click", (event) => {
    const menu = event.target.closest("details[data-menu]");
    // A choice closes its own menu; the summary opens and closes it by itself.
    closeMenus(menu && event.target.closest("summary") ? menu : null);
  });

  // Keys pressed before the page is alive are kept until it is; the sign-in page never will be.
  let page = null;
  let pressed = null;

  function open(method) {
    if (page) {
      page.invokeMethodAsync(method);
    } else {
      pressed = method;
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = document.querySelector("details[data-menu][open]");
      closeMenus(null);
      open?.querySelector("summary")?.focus();
      return;
    }

    if (event.defaultPrevented || !document.getElementById("components-reconnect-modal")) {
      return;
    }

    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open("OpenPaletteAsync");
    } else if (event.key === "?" && !isTyping) {
      event.preventDefault();
      open("OpenHelpAsync");
    }
  });

  // Arrow keys inside a graph: to the nearest node in that direction.
  document.addEventListener("keydown", (event) => {
    const node = event.target.closest?.("[data-flow] a");
    const way = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (!node || !way) {
      return;
    }

    event.preventDefault();
    const centre = (element) => {
      const box = element.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2];
    };
    const [x, y] = centre(node);
    let nearest = null;
    let least = Infinity;
    for (const other of node.closest("[data-flow]").querySelectorAll("a")) {
      const [dx, dy] = [centre(other)[0] - x, centre(other)[1] - y];
      const along = dx * way[0] + dy * way[1];
      const aside = Math.abs(way[0] ? dy : dx);
      if (along > 4 && along + 3 * aside < least) {
        [nearest, least] = [other, along + 3 * aside];
      }
    }
    nearest?.focus();
  });

  // A log follows its end until the reader scrolls up, and again when they come back to the end.
  const logs = new WeakMap();
  const isAtEnd = (element) => element.scrollHeight - element.scrollTop - element.clientHeight < 24;

  // In a dialog MudBlazor's focus trap takes the focus for itself a frame or a slow round trip after the first render: what is
  // typed by then would be lost. Focus that moves without Tab and without a pointer was not moved by the person; it comes back.
  function holdFocus(element, dialog) {
    let isAsked = false;
    const ask = (event) => { isAsked = event.type === "pointerdown" || event.key === "Tab"; };
    dialog?.addEventListener("keydown", ask, true);
    dialog?.addEventListener("pointerdown", ask, true);
    dialog?.addEventListener("focusout", (event) => {
      if (!isAsked && event.target === element && dialog.contains(event.relatedTarget)) {
        queueMicrotask(() => element.focus());
      }
    });
  }

  window.drconsole = {
    startKeys(reference) {
      page = reference;
      if (pressed) {
        open(pressed);
        pressed = null;
      }
    },

    stopKeys() { page = null; },

    setTheme(preference) {
      document.documentElement.dataset.theme = preference;
      document.cookie = `drconsole-theme=${preference}; path=/; max-age=31536000; samesite=lax`;
    },

    startLog(element, reference) {
      let wasAtEnd = true;
      const onScroll = () => {
        const atEnd = isAtEnd(element);
        if (atEnd !== wasAtEnd) {
          wasAtEnd = atEnd;
          reference.invokeMethodAsync("OnScrolledAsync", atEnd);
        }
      };
      element.addEventListener("scroll", onScroll, { passive: true });
      logs.set(element, onScroll);
      element.scrollTop = element.scrollHeight;
    },

    stopLog(element) {
      if (element && logs.has(element)) {
        element.removeEventListener("scroll", logs.get(element));
        logs.delete(element);
      }
    },

    toEnd(element) { element.scrollTop = element.scrollHeight; },

    focusById(id) {
      requestAnimationFrame(() => requestAnimationFrame(() => {
        const element = document.getElementById(id);
        if (element) {
          holdFocus(element, element.closest(".mud-dialog-container"));
          element.focus();
        }
      }));
    },
  };
})();
