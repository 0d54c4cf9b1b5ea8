// A slider beside each number that has room for one, on a scale of tenfolds. Without this file the numbers are typed.
for (const box of document.querySelectorAll("input.slid")) {
  const [least, most] = [Number(box.dataset.least), Number(box.dataset.most)];
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.max = 1000;
  slider.setAttribute("aria-label", box.labels[0]?.textContent ?? box.name);
  const place = () => {
    slider.value = (1000 * Math.log(Math.max(box.valueAsNumber || 0, least) / least)) / Math.log(most / least);
  };
  slider.addEventListener("input", () => {
    const value = least * (most / least) ** (slider.value / 1000);
    box.value = Number(value.toPrecision(3));
  });
  box.addEventListener("input", place);
  place();
  box.after(slider);
}
