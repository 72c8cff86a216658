"""What the tests do in a notebook page of JupyterLab."""

import re

from playwright.sync_api import expect

PITCH = 617                             # Hz: what the microphone hears
DIGITS = ("three", "seven", "nine", "two", "five", "eight")         # or that
# The notebook's cells, in the page's own model: those out of sight are not in the page.
CELLS = "jupyterapp.shell.currentWidget.content.widgets"


class Notebook:
    """A notebook in a page; opens when its kernel is ready."""

    def __init__(self, page):
        self.page = page
        page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
                               "  && jupyterapp.shell.currentWidget.content.widgets?.length"
                               "  && jupyterapp.shell.currentWidget.sessionContext.kernelDisplayStatus == 'idle'")

    def run_all(self, patience=120):
        """Run > Run All Cells, and wait, so many seconds at most, until they have or one failed."""
        self.menu("Edit", "Clear Outputs of All Cells")         # their stored numbers too
        self.menu("Run", "Run All Cells")
        self.page.wait_for_function(
            f"() => {{ const cells = {CELLS}.filter(c => c.model.type == 'code' && c.model.sharedModel.source.trim());"
            "   const failed = cells.some(c => c.model.outputs.toJSON().some(o => o.output_type == 'error'));"
            "   return cells.every(c => c.model.executionState == 'idle' && (failed || c.model.executionCount)); }",
            timeout=1000 * patience)

    def menu(self, *names):
        for name in names:
            self.page.get_by_role("menuitem", name=name, exact=True).click()

    def errors(self):
        """The error outputs that no cell's tags announce."""
        return self.page.evaluate(
            f"() => {CELLS}.filter(c => c.model.type == 'code' && !(c.model.getMetadata('tags') || [])"
            "   .includes('raises-exception')).flatMap(c => c.model.outputs.toJSON())"
            "   .filter(o => o.output_type == 'error').map(o => o.ename + ': ' + o.evalue)")

    def cell(self, containing):
        """The first code cell whose source contains these words, scrolled to."""
        index = self.page.evaluate(
            "async words => {"
            f"   const found = c => c.model.type == 'code' && c.model.sharedModel.source.includes(words);"
            f"   const index = {CELLS}.findIndex(found);"
            "   await jupyterapp.shell.currentWidget.content.scrollToItem(index, 'center');"
            "   return index; }", containing)
        assert index >= 0, f"no cell contains {containing}"
        return self.page.locator(f".jp-Notebook-cell[data-windowed-list-index='{index}']:visible")

    def run(self, cell, patience=60):
        """Control+Enter in a cell; the text that it puts out, within so many seconds."""
        prompt = cell.locator(".jp-InputPrompt")
        before = prompt.inner_text()
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        expect(prompt).not_to_have_text(before, timeout=1000 * patience)
        expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=1000 * patience)
        return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts())

    def type(self, cell, source):
        """Replace what a cell holds, by keyboard."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def shut_down(self):
        """End the kernel; nothing is saved."""
        self.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")


def plays(player):
    """Press play on a player by keyboard; seconds that its clock moved on."""
    player.scroll_into_view_if_needed()
    player.focus()
    before = player.evaluate("audio => audio.currentTime")
    player.press("Space")
    player.page.wait_for_function("([audio, before]) => audio.currentTime > before + 0.2",
                                  arg=[player.element_handle(), before])
    after = player.evaluate("audio => { audio.pause(); return audio.currentTime }")
    return after - before
