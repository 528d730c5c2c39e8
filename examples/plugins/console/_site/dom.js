// Elements, made of what stands in the page. Text is only ever set as text, so that nothing in it can be markup.

/** @returns {any} The element with this id. */
export const $ = (id) => document.getElementById(id);

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, any>} [properties] properties of the element; `dataset` as an object
 * @param {...(Node | string)} children
 */
export function element(tag, {dataset, ...properties} = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, dataset);
  made.append(...children);
  return made;
}

/** Sets an element's text, and leaves alone what says that already: a selection in it stays. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Has a button work, or not. It keeps the focus in any case, so whoever hears a click has to ask whether it {@link isEnabled}. */
export function setEnabled(button, enabled) {
  button.ariaDisabled = enabled ? null : "true";
}

export const isEnabled = (button) => button.ariaDisabled !== "true";

/** Has a parent's children be these, in this order, and moves as few as possible: so what has the focus keeps it. */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

/** Up and down move between the buttons of a list. */
export function moveWithArrows(list) {
  list.addEventListener("keydown", (event) => {
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (!step || !event.target.matches("button.pick")) return;
    const buttons = [...list.querySelectorAll("button.pick")];
    const next = buttons[buttons.indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}
