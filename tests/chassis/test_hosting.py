"""tmp"""
import time
import httpx
from pathlib import Path
from tests.chassis.conftest import *

def test_it(databases: Databases, tmp_path: Path) -> None:
    t=time.time()
    with Host(tmp_path, databases) as host:
        print(host.log); print("start", time.time()-t)
        print(httpx.get(host.url()+"/native").text, httpx.get(host.url()+"/file").status_code, httpx.get(host.url()+"/plain").text)
        print(host.announce("a", "fail b", "slow 1 c"))
        time.sleep(3)
        print(databases.effects(), databases.pending(), databases.parked())
        t=time.time()
        print(host.stop(), time.time()-t)
    print(host.log)
    assert 0
