/*
 * The timeline of an object: of the two moments to compare, the earlier one must be further down. Choosing one moves the
 * other out of the way, and what is between the two is marked. Without this, the server puts them in order.
 */

const picked = (form, name) => form.querySelector(`input[name="${name}"]:checked`);

function arrange(form, entries, changed) {
  const position = (input) => entries.indexOf(input.closest("[data-audittrail-entry]"));
  const from = picked(form, "from");
  const to = picked(form, "to");
  if (!from || !to) return;
  if (position(from) <= position(to)) {
    const wanted = changed?.name === "from" ? position(from) - 1 : position(to) + 1;
    const other = changed?.name === "from" ? "to" : "from";
    const entry = entries[Math.min(Math.max(wanted, 0), entries.length - 1)];
    entry.querySelector(`input[name="${other}"]`).checked = true;
    if (wanted < 0) entries[1].querySelector('input[name="from"]').checked = true;
    if (wanted >= entries.length) entries.at(-2).querySelector('input[name="to"]').checked = true;
  }
  const [last, first] = [position(picked(form, "from")), position(picked(form, "to"))];
  entries.forEach((entry, index) => {
    entry.classList.toggle("audittrail-entry--picked", index === first || index === last);
    entry.classList.toggle("audittrail-entry--between", index > first && index < last);
  });
}

for (const form of document.querySelectorAll("[data-audittrail-timeline]")) {
  const entries = [...form.querySelectorAll("[data-audittrail-entry]")];
  if (entries.length < 2) continue;
  form.addEventListener("change", (event) => arrange(form, entries, event.target));
  arrange(form, entries);
}
