"""The blueprint of a cluster: what `cluster render` fills its templates with."""

from importlib.metadata import version
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
Amount = Annotated[str, Field(pattern=r"^[0-9]+(Mi|Gi|Ti)$")]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@+-]*$")]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Head(_Settings):
    """The machine of the driver and of Ray's own processes."""

    cpus: int = Field(2, ge=1)
    memory: Amount = "8Gi"
    type: Word = Field("m7i.large", description="of machine, for ray-up")


class Group(_Settings):
    """Workers of one kind: as many machines as there is work for, from `min` to `max`."""

    min: int = Field(0, ge=0)
    max: int = Field(4, ge=0)
    cpus: int = Field(8, ge=1)
    gpus: int = Field(0, ge=0)
    memory: Amount = "16Gi"
    spot: bool = True
    type: Word = Field("c7i.2xlarge", description="of machine, for ray-up")

    @model_validator(mode="after")
    def _in_order(self) -> "Group":
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max {self.max}: there is nothing between")
        return self


class Blueprint(_Settings):
    """A cluster of a head, machines with GPUs and machines without."""

    name: Name = "photochrom"
    namespace: Name = "photochrom"
    image: Word = f"photochrom:{version('photochrom')}"
    ray_version: Word = version("ray")
    service_account: Name = Field("photochrom", description="on EC2, the instance profile")
    source_secret: Name = Field("photochrom-source", description="has the keys to the scans")
    output_secret: Name = Field("photochrom-output", description="has the keys to the prints")
    marks_secret: Name = Field("photochrom-marks", description="has what prints are signed with")
    region: Word = Field("eu-central-1", description="for ray-up")
    head: Head = Head()
    gpu: Group = Group(min=1, max=8, gpus=1, memory="32Gi", type="g6.2xlarge")
    cpu: Group = Group()
    scratch: Amount = Field("20Gi", description="of disk, in each worker")
    idle_seconds: int = Field(300, ge=60, description="before an idle machine is let go")
    grace_seconds: int = Field(120, ge=0, description="for a worker that must go")
    spot_keys: tuple[Word, ...] = Field(
        ("cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority", "spot"),
        description="taints of spot machines, tolerated whatever their value",
    )

    @property
    def groups(self) -> dict[str, Group]:
        """The kinds of workers that there may be, by name."""
        kinds = {"gpu-workers": self.gpu, "cpu-workers": self.cpu}
        return {name: group for name, group in kinds.items() if group.max}


def default_values() -> dict[str, Any]:
    """Return every setting's default, to lay others over."""
    return Blueprint().model_dump()
