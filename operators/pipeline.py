"""All steps of one run wired in one process without bytewax: for tests, what-if and reading the flow in one place."""

from __future__ import annotations

from operators.frames import DeadLetters, GroupFrame, OutputBlock, PodFrame, RecordBlock, SideFrame
from operators.normalize.decode import MarketDecoder
from operators.normalize.group_step import GroupStep
from operators.plan import Plan
from operators.pods.pod_step import PodStep
from operators.portfolio.portfolio_step import PortfolioStep
from operators.side.side_step import SideStep


class Pipeline:
    """Feeds record blocks through every stage; answers with what leaves."""

    def __init__(self, plan: Plan) -> None:
        self.decoders = [MarketDecoder(plan, g.partition) for g in plan.groups]
        self.groups = [GroupStep(plan, g.partition) for g in plan.groups]
        self.pods = [PodStep(plan, p.index) for p in plan.pods]
        self.portfolios = [PortfolioStep(plan, p.index) for p in plan.portfolios]
        self.sides: dict[tuple[str, int], SideStep] = {}
        for topic in ("control", "fills", "overlay", "signals"):
            settings = getattr(plan.configuration.topics, topic)
            if settings is not None:
                self.sides |= {(topic, p): SideStep(plan, topic, p) for p in range(settings.partitions)}
        self._plan = plan

    def feed(self, block: RecordBlock) -> tuple[list[OutputBlock], list[DeadLetters]]:
        """Takes a block of any topic."""
        if block.topic == "market":
            frames, letters = self.groups[block.partition].step(self.decoders[block.partition].decode(block))
            outputs = [o for f in frames for o in self._group(f)]
        else:
            side, letters = self.sides[block.topic, block.partition].step(block)
            outputs = [] if side is None else self._side(side)
        return outputs, [] if letters is None else [letters]

    def _group(self, frame: GroupFrame) -> list[OutputBlock]:
        outputs: list[OutputBlock | None] = []
        for plan in self._plan.portfolios:
            if frame.group in plan.groups:
                outputs.append(self.portfolios[plan.index].step(frame))
        for pod in self._plan.pods:
            if frame.group in pod.groups:
                outputs.append(self._pod(pod.portfolio, self.pods[pod.index].step(frame)))
        return [o for o in outputs if o is not None]

    def _side(self, frame: SideFrame) -> list[OutputBlock]:
        outputs = [p.step(frame) for p in self.portfolios if frame.topic in ("control", "overlay", "fills")]
        if frame.topic in ("control", "signals"):
            outputs += [self._pod(pod.portfolio, self.pods[pod.index].step(frame)) for pod in self._plan.pods]
        return [o for o in outputs if o is not None]

    def _pod(self, portfolio: int, frame: PodFrame | None) -> OutputBlock | None:
        return None if frame is None else self.portfolios[portfolio].step(frame)
