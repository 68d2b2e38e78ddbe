/*
 * Puts a checkbox into the head of a table that chooses all rows of the page, in elements with
 * data-audittrail-choose-all="label". Boxes that can't be chosen stay as they are.
 */

for (const part of document.querySelectorAll("[data-audittrail-choose-all]")) {
  const boxes = [...part.querySelectorAll('tbody input[type="checkbox"]:not(:disabled)')];
  const head = part.querySelector("thead th");
  if (boxes.length < 2 || !head) {
    continue;
  }
  const label = document.createElement("label");
  label.className = "audittrail-choose-all";
  const all = document.createElement("input");
  all.type = "checkbox";
  label.append(all, " ", part.dataset.audittrailChooseAll);
  part.querySelector("table").before(label);

  const show = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  };
  all.addEventListener("change", () => {
    for (const box of boxes) {
      box.checked = all.checked;
    }
  });
  part.addEventListener("change", show);
  show();
}
