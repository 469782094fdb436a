// Keeps each slider and the field beside it on the same value, and tells which number was moved last.
"use strict";

document.addEventListener("input", (event) => {
  const moved = event.target;
  const form = moved.form;
  if (!form || !moved.name) return;
  const name = moved.name.replace(/\.slider$/, "");
  const twin = form.elements[moved.name === name ? name + ".slider" : name];
  if (!twin) return;
  twin.value = moved.value;
  const along = form.elements.along;
  if (along && [...along.options].some((option) => option.value === name)) along.value = name;
}, true);
