"""usage: check.py CASE GDB SCRIPT PROGRAM

Runs gdb with scripts/gdb/tombolo.py on parked_tasks and looks at what it prints. CASE: live, core, attached, stripped,
corrupted. Ends with 77 (skipped) when there is no gdb or the system forbids to trace processes.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77

TREE = """\
  <root> #0: parked in nursery exit
  nursery
  `-- <run_sync_soon> #2: parked in run_sync_soon
  nursery
  nursery
  `-- main #1: parked in nursery exit
      nursery
      |-- parent #3: parked in nursery exit
      |   nursery
      |   `-- client #8: parked in parking_lot::park
      |   nursery
      |   |-- sleeper #9: parked in sleep_for
      |   `-- cancelled #10: parked in sleep_forever [scope shielded] [scope cancelled (explicit call: had enough)]
      |-- yields #4: runnable
      |-- LAMBDA #5: parked in parking_lot::park
      |-- twin 1 #6: parked in parking_lot::park
      |-- twin #7: parked in parking_lot::park
      |-- stops #11: running in thread 1
      `-- twin #12: not started
"""
ELSEWHERE = """\
      nursery
      `-- elsewhere #3: parked in parking_lot::park
"""

# Task: functions of its backtrace in order, innermost first.
STACKS = {
    "client": ["parking_lot::park", "wait_for_bytes", "read_header", "serve_client"],
    "#8": ["wait_for_bytes", "serve_client"],
    "sleeper": ["sleep_until", "sleep_in_a_catch_block"],
    "cancelled": ["sleep_forever", "clean_up_after_cancel"],
    "yields": ["checkpoint", "yield_for_ever"],
    "parent": ["nursery::close", "open_inner_nurseries"],
    "twin 1": ["wait_for_bytes", "read_header", "serve_client"],
    "2/1": ["nursery::close", "main_task"],
    "elsewhere": ["wait_for_bytes", "read_header", "serve_client"],
}
MESSAGES = {
    "bt stops": "running in thread 1; its frames are those of the thread",
    "bt #12": "not started; it has no frames yet",
    "bt nobody": "there is no task nobody",
    "bt twin": "twin is not unique",
    "bt main": "  1/1  main #1",
    "bt": "which task?",
}


class Check:
    def __init__(self, gdb, script, program):
        self.gdb, self.script, self.program = gdb, script, program

    def run_gdb(self, commands, *target):
        """What each command printed, by command."""
        arguments = [self.gdb, "-nx", "--batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load no",
                     "-ex", f"source {self.script}"]
        for command in commands:
            arguments += ["-ex", f"echo \\n>>>> {command}\\n", "-ex", command]
        try:
            ran = subprocess.run([*arguments, *target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, text=True, errors="replace", timeout=100, check=False)
        except subprocess.TimeoutExpired as late:
            sys.exit(f"{(late.stdout or b'').decode(errors='replace')}\n---- failed: gdb did not come to an end")
        for forbidden in ("Could not trace the inferior process", "ptrace: Operation not permitted",
                          "Could not attach to process"):
            if forbidden in ran.stdout:
                skip(f"this system forbids to trace processes ({forbidden})")
        self.output = ran.stdout
        pieces = re.split(r"^>>>> (.*)\n", ran.stdout, flags=re.M)
        return dict(zip(pieces[1::2], pieces[2::2]))

    def expect(self, condition, what):
        if not condition:
            sys.exit(f"{self.output}\n---- failed: {what}")

    def expect_in(self, wanted, shown, what):
        self.expect(wanted in shown, f"{what}: wanted\n{wanted}")

    questions = (["tombolo tasks", *(f"tombolo bt {task}" for task in STACKS), *(f"tombolo {text}" for text in MESSAGES)]
                 + ["tombolo bt client 2", "tombolo frame sleeper", "bt", "tombolo frame", "bt 1"])

    def look_at_answers(self, answers):
        shown = re.sub(r"^(.*-- ).*lambda.* #5:", r"\1LAMBDA #5:", answers["tombolo tasks"], flags=re.M)
        shown = re.sub(r"(parked in run_sync_soon).*", r"\1", shown)  # its scopes are the runtime's own business
        self.expect_in(TREE, shown, "the tree")
        self.expect_in(ELSEWHERE, answers["tombolo tasks"], "the tree of the other run")
        self.expect(re.search(r"^run 2 in thread 1 \(LWP \d+.*\), 13 tasks$", answers["tombolo tasks"], re.M), "a run's title")
        for task, functions in STACKS.items():
            self.expect_stack(answers[f"tombolo bt {task}"], functions, task)
        for command, text in MESSAGES.items():
            self.expect_in(text, answers["tombolo " + command], command)
        limited = re.findall(r"^#(\d+) ", answers["tombolo bt client 2"], re.M)
        self.expect(limited == ["1", "2"], f"bt with a limit shows frames {limited}")
        self.expect_stack(re.sub(r"\A.*?(?=^#1)", "", answers["bt"], flags=re.S | re.M), STACKS["sleeper"], "a selected task")
        self.expect("sleep_in_a_catch_block" not in answers["bt 1"], "the thread's own frames are back")

    def expect_stack(self, shown, functions, task):
        frames = re.findall(r"^#\d+ .*", shown, re.M)
        self.expect(frames and frames[0].startswith("#1 "), f"{task} has frames from #1 on")
        self.expect("enter_fiber" in frames[-1], f"the stack of {task} ends where its fiber begins")
        at = 0
        for function in functions:
            while at < len(frames) and function not in frames[at]:
                at += 1
            self.expect(at < len(frames), f"{task} is in {function}, in this order")


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(SKIPPED)


def live(check, _):
    check.look_at_answers(check.run_gdb(["run", *check.questions], "--args", check.program, "abort"))


def core(check, folder):
    """The core says the same as the process that it was made of."""
    made = check.run_gdb(["run", "tombolo tasks", f"tombolo core {folder}/core"], "--args", check.program, "abort")
    check.expect(Path(f"{folder}/core").exists(), "gdb made a core")
    answers = check.run_gdb(check.questions, check.program, f"{folder}/core")
    check.look_at_answers(answers)
    process, dead = (re.sub(r'(LWP \d+).*?\)', r"\1)", text["tombolo tasks"]).strip() for text in (made, answers))
    check.expect(dead.startswith(process), "core and process show the same tree; only threads have lost their names")


def attached(check, _):
    """Attaching, looking and leaving does the process no harm."""
    with subprocess.Popen([check.program, "wait"], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            check.look_at_answers(check.run_gdb([*check.questions, "detach"], "-p", str(process.pid)))
            check.expect(process.poll() is None, "the process lives on")
        finally:
            process.kill()


def stripped(check, folder):
    """Whoever has no debug information is told so."""
    for option, text in (("--strip-debug", "no debug information for tombolo::kernel::run_state"),
                         ("--strip-all", "there is no symbol tombolo_runs")):
        copy = f"{folder}/program"
        if subprocess.run(["strip", option, "-o", copy, check.program], check=False).returncode != 0:
            skip("there is no strip")
        answers = check.run_gdb(["run", "tombolo tasks", "tombolo bt client"], "--args", copy, "abort")
        for command in ("tombolo tasks", "tombolo bt client"):
            check.expect_in(text, answers[command], f"{command} after strip {option}")
            check.expect("Traceback" not in answers[command], "a message, no traceback")
    answers = check.run_gdb(["tombolo tasks"], check.program)
    check.expect_in("there is no process and no core", answers["tombolo tasks"], "without a process")


def corrupted(check, _):
    """What can be read is shown, what cannot be read is reported, and nothing takes for ever."""
    def poke(task, field, value):
        return ("python import tombolo_gdb.tasks as t; "
                f"s = t.one_of(t.find_tasks('{task}'), '').state; gdb.execute('set *(long*)%d = {value}' % int(s{field}))")

    answers = check.run_gdb(
        ["run", poke("client", "['wait'].address", 16), poke("sleeper", "['extras'].address", 24), "tombolo tasks",
         poke("parent", "['nurseries']['ends_']['next_'].address", 0), "tombolo tasks ",
         "tombolo bt client", "tombolo bt yields"], "--args", check.program, "abort")
    tree = answers["tombolo tasks"]
    check.expect_in("`-- <unreadable task at 0x", tree, "a task that waits in unreadable memory")
    check.expect_in("|-- <unreadable task at 0x", tree, "a task with an unreadable name")
    check.expect_in("-- stops #11: running in thread 1", tree, "the tasks behind them")
    check.expect_in("<unreadable: a list ends in a null pointer>", answers["tombolo tasks "], "a broken list")
    check.expect_in("-- stops #11: running in thread 1", answers["tombolo tasks "], "the tasks behind it")
    check.expect("Traceback" not in check.output, "messages, no tracebacks")
    check.expect_stack(answers["tombolo bt yields"], STACKS["yields"], "yields")


def main():
    case, gdb, script, program = sys.argv[1:]
    if not Path(gdb).exists():
        skip("there is no gdb (Debian: apt-get install gdb)")
    if "yes" not in subprocess.run([gdb, "-nx", "--batch", "-ex", "python print('yes')"], capture_output=True, text=True,
                                   check=False).stdout:
        skip("this gdb has no Python")
    with tempfile.TemporaryDirectory() as folder:
        {"live": live, "core": core, "attached": attached, "stripped": stripped, "corrupted": corrupted}[case](
            Check(gdb, script, program), folder)
    print(f"{case}: as it should be")


main()
