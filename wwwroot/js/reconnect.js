// Blazor finds the notice by its id and tells it the state of the connection. It never covers the page: figures stay
// readable with the time they are from, and typed text is kept for as long as the circuit can be resumed.
(() => {
  "use strict";

  const notice = document.getElementById("components-reconnect-modal");
  if (!notice) {
    return;
  }

  const text = notice.querySelector("[data-reconnect-text]");
  const retryButton = notice.querySelector("[data-reconnect-retry]");
  const two = (number) => String(number).padStart(2, "0");

  // A text of the page with its values; {1:00} is a number with two digits.
  const fill = (text, ...values) => text.replace(/\{(\d)(:00)?[^}]*\}/g, (_, index, isTwo) => (isTwo ? two(values[index]) : values[index]));
  let lostAt = null;
  let lostClock = "";
  let nextTryIn = null;
  let timer = null;

  function consoleTime() {
    const shown = document.querySelector("[data-clock-time]")?.textContent;
    const now = new Date();
    return shown || `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  }

  function age() {
    const seconds = Math.max(1, Math.round((Date.now() - lostAt) / 1000));
    return seconds < 60 ? fill(notice.dataset.seconds, seconds) : fill(notice.dataset.minutes, Math.floor(seconds / 60), seconds % 60);
  }

  function show() {
    const trying = nextTryIn > 0 ? fill(notice.dataset.wait, fill(notice.dataset.seconds, nextTryIn)) : notice.dataset.now;
    text.textContent = `${fill(notice.dataset.lost, age(), lostClock)} ${trying}`;
    notice.hidden = false;
  }

  function start() {
    if (lostAt === null) {
      lostAt = Date.now();
      lostClock = consoleTime();
    }

    timer ??= setInterval(() => {
      nextTryIn = nextTryIn > 0 ? nextTryIn - 1 : nextTryIn;
      show();
    }, 1000);
    show();
  }

  function stop() {
    clearInterval(timer);
    timer = lostAt = nextTryIn = null;
    notice.hidden = true;
  }

  // The circuit is gone for good: whatever the page shows can never move again, so that it is loaded anew.
  function reload() {
    text.textContent = notice.dataset.gone;
    notice.hidden = false;
    location.reload();
  }

  async function retry() {
    try {
      if (await Blazor.reconnect() || await Blazor.resumeCircuit()) {
        stop();
      } else {
        reload();
      }
    } catch {
      nextTryIn = null;
      start();
    }
  }

  notice.addEventListener("components-reconnect-state-changed", (event) => {
    const { state, secondsToNextAttempt } = event.detail;
    switch (state) {
      case "show":
        start();
        break;
      case "retrying":
        nextTryIn = secondsToNextAttempt ?? 0;
        start();
        break;
      case "hide":
        stop();
        break;
      case "rejected":
      case "resume-failed":
        reload();
        break;
      case "failed":
        // Blazor has given up; the server may still come back, and a person should not have to press anything.
        start();
        setTimeout(retry, 5000);
        break;
      case "paused":
        retry();
        break;
    }
  });

  retryButton.addEventListener("click", retry);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && lostAt !== null) {
      retry();
    }
  });
})();
