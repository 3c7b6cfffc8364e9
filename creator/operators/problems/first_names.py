"""Common first names, and others of the same gender to put in their place.

Names that are words, places or both genders' are left out, so that nothing but a person is renamed
and pronouns stay right. What is not listed stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

_FEMALE = """
    Abigail Adriana Agnes Alice Alicia Amanda Amelia Amina Amy Andrea Angela Anna Annie Anya Ariana
    Ashley Barbara Beatrice Bella Bertha Beth Betty Bianca Brenda Brianna Caitlin Camila Carla
    Carmen Carol Caroline Catherine Cecilia Celia Chloe Christina Cindy Claire Clara Claudia
    Cynthia Daisy Daniela Deborah Denise Diana Donna Doris Dorothy Edith Elaine Eleanor Elena Eliza
    Elizabeth Ella Ellen Elsa Emily Emma Erica Esther Eva Evelyn Fatima Felicia Fiona Gabriela Gina
    Gloria Greta Gwen Hannah Harriet Heather Heidi Helen Hilda Ingrid Irene Isabel Isabella Jane
    Janet Janice Jasmine Jennifer Jenny Jessica Joan Joanna Jocelyn Josephine Judith Judy Julia
    Juliana Julie Karen Kate Katherine Kathy Katie Kayla Kimberly Kristen Laura Lauren Leah Lena
    Leticia Lillian Linda Lisa Louise Lucia Lucy Lydia Maggie Margaret Maria Marie Marilyn Marissa
    Martha Mary Matilda Megan Melanie Melissa Mia Michelle Mila Miranda Monica Nadia Nancy Naomi
    Natalia Natalie Natasha Nicole Nina Nora Olga Olivia Pamela Patricia Paula Peggy Phoebe
    Priscilla Rachel Rebecca Regina Rita Roberta Rosa Rosalie Rosie Sabrina Sally Samantha Sandra
    Sara Sarah Selena Sharon Sheila Shirley Silvia Sofia Sonia Sophia Sophie Stella Stephanie Susan
    Suzanne Sylvia Tamara Tanya Teresa Tina Ursula Valentina Valerie Vanessa Vera Veronica Vivian
    Wendy Yolanda Yvonne Zoe
"""
_MALE = """
    Aaron Abdul Abraham Adam Adrian Ahmed Alan Albert Alberto Alejandro Alfred Ali Allan Alvin Amir
    Anderson Andre Andrew Andy Angelo Anthony Antonio Arthur Barry Benjamin Bernard Bob Bobby Boris
    Brad Brandon Brian Bruce Bruno Bryan Caleb Calvin Carl Carlos Cedric Charles Charlie Chris
    Christopher Clarence Craig Damien Dan Daniel Danny Darren Dave David Dennis Derek Diego Dmitri
    Dominic Donald Douglas Dylan Eddie Edgar Eduardo Edward Elijah Emilio Emmanuel Enrique Eric
    Ernest Ethan Eugene Felix Fernando Finn Francisco Frank Fred Frederick Gabriel Gary Geoffrey
    George Gerald Gilbert Gordon Greg Gregory Gustavo Harold Harry Hector Henry Herbert Howard Hugo
    Ian Igor Isaac Ivan Jack Jacob Jake James Jamal Jared Jason Jeff Jeffrey Jeremy Jerome Jerry
    Jim Jimmy Joe Joel John Johnny Jonathan Jorge Jose Joseph Joshua Juan Julian Karl Keith Kenneth
    Kevin Kurt Kyle Larry Lawrence Leo Leon Leonard Leonardo Liam Logan Louis Lucas Luis Luke Malik
    Manuel Marcel Marco Marcos Marcus Mario Martin Marvin Matt Matthew Maurice Max Michael Miguel
    Mike Milo Mohamed Nathan Nathaniel Neil Nicholas Noah Oliver Omar Oscar Otto Owen Pablo Patrick
    Paul Pedro Peter Philip Rafael Ralph Raul Raymond Ricardo Richard Robert Roberto Rodney Roger
    Roland Ronald Ronnie Rudy Russell Ryan Samuel Scott Sean Sebastian Seth Simon Stanley Stephen
    Steve Steven Stuart Ted Teddy Theodore Thomas Tim Timothy Todd Tom Tommy Tony Travis Tristan
    Vernon Victor Vincent Vladimir Walter Wayne Wesley William Xavier Zachary
"""
_LISTS: Sequence[tuple[str, ...]] = (tuple(_FEMALE.split()), tuple(_MALE.split()))
_LIST_OF = {name: names for names in _LISTS for name in names}
_CAPITALISED = re.compile(r"(?<![^\W_])[A-Z][^\W\d_]+")


def other_names(text: str, rng: Random) -> dict[str, str]:
    """A new name for each listed name in a text; no new one begins as any word of the text does.

    A text that has a name and a shorter form of it (Samantha, Sam) keeps both.
    """
    words = list(dict.fromkeys(_CAPITALISED.findall(text)))
    chosen: dict[str, str] = {}
    for name in words:
        if name not in _LIST_OF or any(_alike(name, other) for other in words if other != name):
            continue
        taken = [*words, *chosen.values()]
        free = [new for new in _LIST_OF[name] if not any(_alike(new, word) for word in taken)]
        if free:
            chosen[name] = rng.choice(free)
    return chosen


def _alike(one: str, other: str) -> bool:
    return one[:3] == other[:3]
