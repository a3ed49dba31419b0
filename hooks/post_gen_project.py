"""Says what to do next. Pure: no file, no git, no network, so that it may run again on an update."""

import json

# As in pre_gen_project.py: the answers are data, on a line of their own.
ANSWERS = r"""
<< cookiecutter | tojson >>
"""


def main() -> None:
    """Prints the next two commands and what they start."""
    answers = json.loads(ANSWERS.strip())
    slug = answers["project_slug"]
    store = answers["store"]
    # Where people sign in, there has to be one who can.
    user = "    make user NAME=you      # makes a user, asks for a password\n" if answers["auth"] == "jwt" else ""
    print(
        f"\nCreated {slug}/ (Streamator template {answers['_template_version']}). Next:\n\n"
        f"    cd {slug}\n"
        f"{user}"
        f"    make dev        # installs, starts everything on the {store} store, prints the address\n\n"
        f"`make` alone lists the other commands; README.md has the rest.\n"
    )


if __name__ == "__main__":
    main()
