// Without a script all images are shown below each other.
for (const slider of document.querySelectorAll('.slider input')) {
  const images = document.getElementById(slider.dataset.shows).children;
  const output = slider.parentElement.querySelector('output');
  const show = () => {
    for (const [index, image] of [...images].entries()) {
      image.hidden = index !== slider.valueAsNumber - 1;
    }
    const text = `${slider.value} of ${images.length}`;
    output.textContent = text;
    slider.setAttribute('aria-valuetext', text);
  };
  slider.parentElement.hidden = false;
  slider.addEventListener('input', show);
  show();
}
