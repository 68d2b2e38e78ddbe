// Puts a checkbox into the head of a table that chooses all rows of the page, in forms with data-audittrail-choose-all="label".

for (const form of document.querySelectorAll("form[data-audittrail-choose-all]")) {
  const boxes = [...form.querySelectorAll('td input[type="checkbox"]')];
  const head = form.querySelector("thead th");
  if (boxes.length < 2 || !head) {
    continue;
  }
  const all = document.createElement("input");
  all.type = "checkbox";
  all.setAttribute("aria-label", form.dataset.audittrailChooseAll);
  all.title = form.dataset.audittrailChooseAll;
  head.replaceChildren(all);

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
  form.addEventListener("change", show);
  show();
}
