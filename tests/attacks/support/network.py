"""The network of the server's container, and the addresses that attackers have on it."""

import ipaddress
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from support.server import docker

NAME, BRIDGE = "sample-service-attacks", "attacks0"
# By default, one peer can have a quarter of the connections: four can have all.
ATTACKERS = 4


@contextmanager
def network() -> Iterator[tuple[str, ...]]:
    """Makes the network, and yields the addresses for attackers. There are none if this user may
    not add any: then attackers share the address of the honest client."""
    subprocess.run(["docker", "network", "rm", NAME], capture_output=True, check=False)
    docker("network", "create", "--opt", f"com.docker.network.bridge.name={BRIDGE}", NAME)
    try:
        yield add_addresses()
    finally:
        # Removes the bridge, and the addresses with it.
        docker("network", "rm", NAME)


def add_addresses() -> tuple[str, ...]:
    [described] = json.loads(docker("network", "inspect", NAME))
    subnet = ipaddress.ip_network(described["IPAM"]["Config"][0]["Subnet"])
    # From the end of the subnet, because Docker gives containers addresses from its beginning.
    addresses = tuple(str(subnet[-2 - number]) for number in range(ATTACKERS))
    for address in addresses:
        added = subprocess.run(["ip", "address", "add", f"{address}/32", "dev", BRIDGE],
                               capture_output=True, check=False)
        if added.returncode:
            return ()
    return addresses
