"""Says what to do next. Pure: no file, no git, no network, so that it may run again on an update."""

import json

# The answers come as data. tojson escapes both kinds of quotes and the line breaks, so that no answer can end this
# string; it stands on a line of its own because a JSON string that touched the quotes would run into them.
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
