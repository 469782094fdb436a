"""The final answer of a response: found where it is stated, and nowhere else."""
# ruff: noqa: RUF001

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.judges.answer import final_answer, last_boxed
from gtalign.judges.conduct import refuses
from gtalign.judges.equality import same_answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"The answer is 3. \boxed{4} and 5", "4"),
        (r"First \boxed{1}, then \fbox{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"So \boxed 7$ it is.", "7"),
        (r"\boxed{1} but \boxed{2", None),
        (r"The answer is 3, that is \boxed{", None),
        (r"\boxed{} and 5", None),
        ("the answer is 3, no: the answer is 4.5.", "4.5"),
        ("The answer is: 1,000 apples. Really.", "1,000 apples"),
        ("The answer to 3 + 4 is 7.", "7"),
        ("**Answer:** 12", "12"),
        ("**Final answer**: (B)\n\nThat took 3 steps.", "(B)"),
        ("Answer:\n\n12", "12"),
        ("The answer is 12, because 3 times 4 is 12.", "12"),
        ("We add them.\n#### 1,234", "1,234"),
        ("<answer>42</answer>", "42"),
        (r"The answer is \$1,\!657.", r"\$1,\!657"),
        ("The answer is 12!", "12"),
        ("所以答案是12。", "12"),
        ("答案：$12$", "$12$"),
        ("答案为 3/4，共 2 步。", "3/4"),
        ("答えは12です。", "12"),
        ("정답은 12입니다.", "12"),
        ("La respuesta es 12.", "12"),
        ("Die Antwort lautet 12.", "12"),
        ("Ответ: 12", "12"),
        ("Answer choices are (A) 1 and (B) 2. We see 2.", "2"),
        ("we get 3, then -1,234.5", "-1,234.5"),
        ("It holds 5 to 6 kg, so 25% more", "25%"),
        ("The charge is 3.2 × 10⁻¹⁹ C.", "3.2 × 10⁻¹⁹ C"),
        ("共有12个苹果", "12"),
        ("So $a = 5$ and we are done.", "a = 5"),
        (r"Hence \(\frac{3}{4}\).", r"\frac{3}{4}"),
        (r"\[x^2 + 1\] for 3 values", "3"),
        ("It costs $5 and $6", None),
        ("Insgesamt 1.234,5", "1.234,5"),
        ("so 1'234'567.5 in all", "1'234'567.5"),
        ("so 1\u202f234,5", "1\u202f234,5"),
        ("so .25", ".25"),
        ("so 2√3", "2√3"),
        ("so 3π.", "3π"),
        ("so 10^6", "10^6"),
        ("so 1 3/4", "1 3/4"),
        ("so 3 / 4", "3 / 4"),
        ("so 4 + 3i", "4 + 3i"),
        ("so (3, 4)", "(3, 4)"),
        ("x = - 5", "- 5"),
        ("P = 1/3 ≈ 0.333", "1/3"),
        ("n = 15 \u220e", "15"),
        ("3 or 4", None),
        ("from 3 to 4", None),
        ("x = 3, x = 4", None),
        ("so ≥ 4", None),
        ("so 4!", None),
        ("more than 4", None),
        ("on October 30", None),
        ("see step 3", None),
        ("The answer is 1, 2, and 3.", "1, 2, and 3"),
        (r"The answer is $6, 8\text{, and }10$.", r"$6, 8\text{, and }10$"),
        ("so 12 millions", "12 millions"),
        ("=> x = 5;", "5"),
        (r"\boxed{5} I hope it helps", "5"),
        ("the answer is twelve (12)", "12"),
        ("答案是十二（12）。", "12"),
        ("The answer is twenty (see 12).", "twenty (see 12)"),
        ("The answer is simply 12.", "12"),
        ("The answer is 12 (see step 3).", "12"),
        ("The answer is 12; 13 is wrong.", "12"),
        ("The answer is 3/4 or 75%.", "3/4"),
        ("The answer is 3 or 5.", "3 or 5"),
        ("The answer is <b>12</b> \u2705", "12"),
        ("The answer is:\n\n\\[\n12\n\\]", "12"),
        ("**Answer**\n\n12\n\n(we checked 5 cases)", "12"),
        ("## Final answer\n-12\n\n## Check\n5", "-12"),
        ("__Answer__\n$$12$$\nwith n = 5", "$$12$$"),
        ("Answer\n======\n12\n\n5 steps", "12"),
        ("<h2>Answer</h2>\nThe number is 12.\n\n5 steps", "12"),
        ("**Réponse finale**\n\n12\n\n5", "12"),
        ("## 最终答案\n12\n\n5", "12"),
        ("**Answer choices**\n\n(A) 5\n\nWe get 12", "12"),
        (r"They are \boxed{1}, \boxed{2}, and \boxed{3}.", "1, 2, 3"),
        (r"$x_1=\boxed{1}$ or $x_2=\boxed{2}$", "1, 2"),
        (r"\boxed{9} and again \boxed{9}", "9"),
        (r"The side is \boxed{3} and the area is \boxed{9}.", "9"),
        (r"-\boxed{4}", None),
        (r"\frac{1}{\boxed{4}}", None),
        (r"\boxed{4}\pi", None),
        (r"\boxed{45}^\circ", "45"),
        ("Look at x2 and H2O", None),
        ("nothing at all", None),
        ("", None),
    ],
)
def test_final_answers(response: str, answer: str | None) -> None:
    assert final_answer(response) == answer


@pytest.mark.parametrize("piece", ["\\(", "\\[", "$", "\\boxed{", "answer ", "1,", "\n", "答", '"'])
def test_hostile_repetitions_end(piece: str) -> None:
    text = piece * 20_000
    answer = final_answer(text)
    assert same_answer(answer or "", text) in (True, False, None)
    assert not refuses(text + "cannot")


@given(st.text(st.sampled_from("\\\\boxed{}$ 1answeri:.\n"), max_size=40))
def test_any_text_has_an_answer_or_none(text: str) -> None:
    answer = final_answer(text)
    assert answer is None or (answer and answer in text)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"\boxed{1} then \boxed{\text{a {b}}}.", r"\text{a {b}}"),
        (r"\boxed{ 3 }", "3"),
        (r"\boxed 5$", "5"),
        (r"\fbox{7}", "7"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{1", None),
        ("4", None),
    ],
)
def test_the_last_box(text: str, inside: str | None) -> None:
    assert last_boxed(text) == inside


@given(st.text(st.sampled_from("ab {}1"), max_size=12))
def test_a_box_of_balanced_braces_gives_its_inside(text: str) -> None:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return
    if depth == 0:
        assert last_boxed(f"x \\boxed{{{text}}} y") == text.strip()
