// Names and texts in, elements out; text is always text, never markup.

export const $ = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (name === 'class') element.className = value;
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function drawn(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const PATHS = {
  play: 'M8 5l11 7-11 7z', pause: 'M8 5v14M16 5v14', restart: 'M4 5v5h5M4.5 10a8 8 0 1 1-.5 4', left: 'M15 5l-7 7 7 7', right: 'M9 5l7 7-7 7',
  up: 'M7 11v9H4v-9zm0 0l4-8c1.500 0 2.500 1 2 3l-.7 3H18c1.500 0 2.300 1 2 2.500l-1.300 6c-.3 1.500-1.200 2.500-2.700 2.500H7',
  down: 'M17 13V4h3v9zm0 0l-4 8c-1.500 0-2.500-1-2-3l.7-3H6c-1.500 0-2.300-1-2-2.500l1.300-6C5.600 5 6.500 4 8 4h9',
};
export const icon = (name) => drawn('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, drawn('path', { d: PATHS[name] }));

export function announce(text) { // the same words again are said again
  $('announce').textContent = '';
  setTimeout(() => { $('announce').textContent = text; }, 30);
}
