"""One module for each use case: a request (a frozen dataclass) in, a result out; it raises our errors.

Nothing here prints, exits, or knows of the command line; what happens meanwhile goes to a Progress (events.py).

    build.py            recipes to verified images: prepare (all of them), then each …
    image.py            … of which this is the making: tree, plan, assembly
    side_by_side.py     … or several at once, each in a process of its own (child.py)
    verify.py           any image that has a menu.lst
    validate.py plan.py every mistake of every recipe; what will be built
    lock.py             the exact packages of a recipe's tree
    reproduce.py        an output directory's image again, compared
    inspect.py diff.py repair.py boot.py shell.py   somebody's image: shown, compared, made bootable, booted, opened
    init.py             a recipe to begin with, or one like an image (recipe_of_image.py)
    aki.py bundle.py publish.py   EC2
    cache.py doctor.py  what is cached, what this machine can do

What they share:

    recipes.py          a recipe as they all read it: settings, its lock, its plan, errors with their place
    jobs.py             what a build is asked for, and what it is going to do, known before it does anything
    unchanged.py        what need not be built again
    judge.py            what is said about an image in the end
    output_files.py     what lies beside an image; report_page.py: report.html
    journal.py          progress to screen and log file
    failures.py         an error as lines, for every reader; causes.py: whether the network, or a full disk, is to blame
    child.py            `imagebuild build` as a process: its arguments from a request, its events back
    toolbox.py          who does the work: read a recipe, build, verify; the tests put others in their place
    input_file.py       a file that the user named
"""
