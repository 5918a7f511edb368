"""The functions' own metrics, as :mod:`shared.metering` writes them, of one deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import aws_cloudwatch

from shared.metering import DEPLOYMENT, NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import Duration

__all__ = ["Metrics"]


@dataclass(frozen=True)
class Metrics:
    """Of the deployment whose table is ``table_name``."""

    table_name: str

    def sum(
        self,
        name: str,
        period: Duration,
        *,
        statistic: str = "Sum",
        label: str | None = None,
        of: Mapping[str, str] | None = None,
    ) -> aws_cloudwatch.Metric:
        """The metric ``name``, over all its further dimensions; or with the one ``of`` these values."""
        return aws_cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={DEPLOYMENT: self.table_name, **(of or {})},
            period=period,
            statistic=statistic,
            label=label or name,
        )

    def by(self, dimension: str, name: str, period: Duration) -> aws_cloudwatch.MathExpression:
        """The metric ``name`` by every value of a further dimension that there is."""
        schema = f"{{{NAMESPACE},{DEPLOYMENT},{dimension}}}"
        found = f'{schema} MetricName="{name}" {DEPLOYMENT}="{self.table_name}"'
        return aws_cloudwatch.MathExpression(
            expression=f"SEARCH('{found}', 'Sum', {int(period.to_seconds())})",
            label="",
            using_metrics={},
            period=period,
        )
