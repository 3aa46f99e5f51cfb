"""One LibreOffice that merges mail: run by a Python that has ``uno``, LibreOffice's own or Debian's.

``libreoffice_merge.py SOFFICE FOLDER`` starts LibreOffice without a window, with a profile of its own in the
folder, and makes the folder's ``letters.csv`` known to it as a data source. It says ``ready``; then, for each
line that it reads, it merges the folder's ``letter.fodt`` with every row into a PDF of the row's own, called
after its column ``number``, and says how many there are.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import uno

#: Seconds that LibreOffice may take to start, the first time with its profile.
PATIENCE = 60.0
#: The name of the data source, and of its only table.
SOURCE = "letters"
_PDF = {"PDFUACompliance": True, "UseTaggedPDF": True}


def properties(**values: object) -> tuple[Any, ...]:
    """Named values, as LibreOffice takes them."""
    made = []
    for name, value in values.items():
        one = uno.createUnoStruct("com.sun.star.beans.PropertyValue")
        one.Name, one.Value = name, value
        made.append(one)
    return tuple(made)


def connected(pipe: str) -> Any:
    """The context of the LibreOffice that listens at this pipe, as soon as it does."""
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except uno.getClass("com.sun.star.connection.NoConnectException"):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def register(office: Any, folder: Path) -> None:
    """Make the folder's CSV files known as a database, whose tables are called after the files."""
    databases = office.ServiceManager.createInstanceWithContext("com.sun.star.sdb.DatabaseContext", office)
    source = databases.createInstance()
    source.URL = f"sdbc:flat:{folder.as_uri()}"
    source.Info = properties(
        Extension="csv", CharSet="UTF-8", HeaderLine=True, FieldDelimiter=",", StringDelimiter='"'
    )
    source.DatabaseDocument.storeAsURL((folder / f"{SOURCE}.odb").as_uri(), ())
    databases.registerObject(SOURCE, source)


def merge(office: Any, folder: Path) -> None:
    """A PDF for each row, tagged for PDF/UA like ours."""
    job = office.ServiceManager.createInstanceWithContext("com.sun.star.text.MailMerge", office)
    job.DataSourceName, job.Command = SOURCE, SOURCE
    job.CommandType = uno.getConstantByName("com.sun.star.sdb.CommandType.TABLE")
    job.DocumentURL = (folder / "letter.fodt").as_uri()
    job.OutputType = uno.getConstantByName("com.sun.star.text.MailMergeType.FILE")
    job.OutputURL = (folder / "merged").as_uri()
    job.FileNameFromColumn, job.FileNamePrefix = True, "number"
    job.SaveAsSingleFile = False
    job.SaveFilter = "writer_pdf_Export"
    job.SaveFilterData = properties(**_PDF)
    job.execute(())
    job.dispose()


def serve(program: str, folder: Path) -> None:
    """Merge whenever a line comes in, until there are no more."""
    pipe = f"conduit-{time.time_ns()}"
    command = [
        program,
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        f"--accept=pipe,name={pipe};urp;",
        "--headless",
        "--norestore",
    ]
    merged = folder / "merged"
    # What it says is not for us: it misses Java, which it does not need; faults come as exceptions.
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    started = subprocess.Popen(command, start_new_session=True, **quiet)
    try:
        office = connected(pipe)
        register(office, folder)
        print("ready", flush=True)
        for _line in sys.stdin:
            for old in merged.glob("*.pdf"):
                old.unlink()
            merge(office, folder)
            print(len(list(merged.glob("*.pdf"))), flush=True)
    finally:
        # soffice is a script whose children do the work.
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]).absolute())
