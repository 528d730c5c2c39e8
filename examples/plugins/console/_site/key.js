// The key, for nodes that ask for one. It is kept as long as the tab is open, and for this node's pages only.

import {$} from "./dom.js";

const NAME = "gaffer-key";

/** The key that was given, if there is one. @returns {string | undefined} */
export const givenKey = () => sessionStorage.getItem(NAME) ?? undefined;

/** Asks for a key, and begins anew with it. @param {string} reason why one is needed */
export function askForKey(reason) {
  const dialog = $("key");
  if (dialog.open) return;
  $("key-text").textContent = reason;
  $("key-form").onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem(NAME, $("key-input").value.trim());
    location.reload();
  };
  dialog.showModal();
  $("key-input").focus();
}
