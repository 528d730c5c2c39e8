// What went wrong, said kindly; and questions before what cannot be taken back.

import {$, element} from "./dom.js";

const SHOWN_FOR = 10_000;
const MOST = 4;

/** Tells that something did not work. @param {string} what e.g. "web was not stopped" @param {any} [error] */
export function complain(what, error) {
  const text = error ? `${what}: ${error.reason ?? error.message ?? error}` : what;
  const close = element("button", {type: "button", className: "plain", ariaLabel: "Dismiss"}, "×");
  const notice = element("div", {className: "notice"}, element("span", {}, text), close);
  close.onclick = () => notice.remove();
  setTimeout(() => notice.remove(), SHOWN_FOR);
  $("notices").append(notice);
  while ($("notices").childElementCount > MOST) $("notices").firstElementChild.remove();
}

/** Asks a question; whether the answer was yes. @param {string} question @param {string} yes the button's text */
export function confirmed(question, yes) {
  const dialog = $("confirm");
  $("confirm-text").textContent = question;
  $("confirm-yes").textContent = yes;
  return new Promise((resolve) => {
    let answer = false;
    $("confirm-yes").onclick = () => {
      answer = true;
      dialog.close();
    };
    $("confirm-no").onclick = () => dialog.close();
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
    $("confirm-no").focus();
  });
}
