// The forms of an HTML page, as far as a login or consent page needs them.

/** [{ method, action, fields: [{ name, value, type, checked }], buttons: [{ text, name, value, action }] }] */
export function parseForms(html) {
  const visible = html.replace(/<!--[\s\S]*?-->|<(script|style)\b[\s\S]*?<\/\1>/gi, '');
  return [...visible.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, tag, inside]) => {
    const { method = 'get', action = '' } = attributes(tag);
    return { method: method.toUpperCase(), action, fields: fields(inside), buttons: buttons(inside) };
  });
}

/** What a browser sends for the form when this button is pressed. */
export function submission(form, button, typed) {
  const data = new URLSearchParams();
  for (const { name, value, type, checked } of form.fields) {
    if (!name || (['checkbox', 'radio'].includes(type) && !checked)) continue;
    data.append(name, typed[name] ?? value);
  }
  if (button.name) data.append(button.name, button.value);
  return data;
}

function fields(html) {
  return [...html.matchAll(/<input\b([^>]*)>/gi)]
    .map(([, tag]) => attributes(tag))
    .filter(input => !['submit', 'button', 'reset', 'image'].includes(input.type) && !('disabled' in input))
    .map(input => ({
      name: input.name,
      type: input.type ?? 'text',
      value: input.value ?? (input.type === 'checkbox' ? 'on' : ''),
      checked: 'checked' in input
    }));
}

function buttons(html) {
  const elements = [...html.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/gi)]
    .map(([, tag, label]) => ({ ...attributes(tag), text: text(label) }));
  const inputs = [...html.matchAll(/<input\b([^>]*)>/gi)]
    .map(([, tag]) => attributes(tag))
    .filter(input => input.type === 'submit')
    .map(input => ({ ...input, text: input.value ?? 'Submit' }));
  return [...elements, ...inputs]
    .filter(button => ['submit', undefined].includes(button.type) && !('disabled' in button))
    .map(button => ({ text: button.text, name: button.name, value: button.value ?? '', action: button.formaction }));
}

/** The text of a piece of HTML, for messages and button labels. */
export const text = html =>
  decode(html.replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]+>/g, ' ')).replace(/\s+/g, ' ').trim();

function attributes(tag) {
  const found = {};
  for (const [, name, double, single, bare] of tag.matchAll(/([a-z][-\w:]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/gi)) {
    found[name.toLowerCase()] ??= decode(double ?? single ?? bare ?? '');
  }
  return found;
}

function decode(html) {
  const named = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };
  return html.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) =>
    name ? named[name.toLowerCase()] ?? whole : String.fromCodePoint(decimal ? Number(decimal) : parseInt(hex, 16)));
}
