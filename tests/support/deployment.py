"""A deployment as ``make deploy`` makes it, on an emulator that enforces IAM instead of AWS.

``cdk deploy`` runs as it does for AWS, with real bundles. Three things are the emulator's:

* The staging bucket and the roles of ``cdk bootstrap`` are made by hand: its own bucket refuses plain HTTP, which is
  what an emulator on loopback speaks, and its policies name a condition key that ministack does not know.
* The template is synthesized for this machine's architecture and Python.
* After the deployment the processor's environment is given the address of the offline Claude, and the command line's
  client may sign in with a password through the administrator's call, because no browser is there.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from pressroom.local.offline_claude import OfflineClaude
from tests.support.emulator import CREDENTIALS, REGION, running_emulator
from tests.support.guarded_emulator import LAMBDA_PYTHON, TRAIL
from tests.support.local_api import LocalApi
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_ssm.client import SSMClient

    from tests.support.emulator import Emulator

__all__ = ["ACCOUNT", "STAGE", "Deployment", "deployed"]

ACCOUNT: Final = "000000000000"
STAGE: Final = "dev"
_CDK: Final = ROOT / "node_modules" / ".bin" / "cdk"
_QUALIFIER: Final = "hnb659fds"
_PASSWORD: Final = "Assam, 2nd flush!"
_FOREIGN: Final = ("AWS_", "PRESSROOM_", "ANTHROPIC_", "POWERTOOLS_", "CDK_")
_MACHINES: Final = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Deployment:
    """A stack that is deployed, and who may look at it: an administrator of the account."""

    emulator: Emulator
    folder: Path
    outputs: Mapping[str, str]

    @property
    def template(self) -> dict[str, Any]:
        """The template that was deployed."""
        path = self.folder / "cdk.out" / f"pressroom-{STAGE}.template.json"
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document

    def client(self, service: str) -> Any:
        """An administrator's client of a service; the caller closes it when it needs it no more."""
        return _client(self.emulator, service)

    def function(self, name: str) -> str:
        """The full name of a function."""
        return f"pressroom-{STAGE}-{name}"

    def queue_arn(self, logical_id: str) -> str:
        """The ARN of the stack's queue ``logical_id``, whose physical id is its URL."""
        with closing(cast("CloudFormationClient", self.client("cloudformation"))) as client:
            resource = client.describe_stack_resource(StackName=f"pressroom-{STAGE}", LogicalResourceId=logical_id)
        name = resource["StackResourceDetail"]["PhysicalResourceId"].rpartition("/")[2]
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def destroy(self) -> set[str]:
        """Takes the stack down by ``cdk destroy``; gives the tables, queues and functions that are left over."""
        _cdk(self.emulator, "destroy", "--force", "--app", str(self.folder / "cdk.out"))
        with (
            closing(cast("DynamoDBClient", self.client("dynamodb"))) as dynamodb,
            closing(cast("SQSClient", self.client("sqs"))) as sqs,
            closing(cast("LambdaClient", self.client("lambda"))) as functions,
        ):
            queues = sqs.list_queues(QueueNamePrefix=f"pressroom-{STAGE}").get("QueueUrls", [])
            names = [each["FunctionName"] for each in functions.list_functions()["Functions"]]
            return {*dynamodb.list_tables()["TableNames"], *queues, *names}

    def nobody(self) -> dict[str, str]:
        """The credentials, as variables, of a new user of the account who may do nothing."""
        with closing(cast("IAMClient", self.client("iam"))) as iam:
            iam.create_user(UserName="nobody")
            key = iam.create_access_key(UserName="nobody")["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def user(self, name: str) -> LocalApi:
        """The HTTP API as a new user of the pool asks it, with an access token of theirs."""
        pool, client = self.outputs["UserPoolId"], self.outputs["CommandLineClientId"]
        with closing(cast("CognitoIdentityProviderClient", self.client("cognito-idp"))) as cognito:
            cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
            cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=_PASSWORD, Permanent=True)
            answer = cognito.admin_initiate_auth(
                UserPoolId=pool,
                ClientId=client,
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": name, "PASSWORD": _PASSWORD},
            )
        return self.api(answer["AuthenticationResult"]["AccessToken"])

    def api(self, token: str | None = None) -> LocalApi:
        """The HTTP API. Its name is one of ``localhost``, which not every machine resolves."""
        return LocalApi(self.emulator.endpoint_url, token, host=urlsplit(self.outputs["ApiUrl"]).netloc)

    def subscribed(self, name: str) -> str:
        """The URL of a new queue that is subscribed to the topic of finished jobs."""
        with (
            closing(cast("SQSClient", self.client("sqs"))) as sqs,
            closing(cast("SNSClient", self.client("sns"))) as sns,
        ):
            url = sqs.create_queue(QueueName=name)["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            statement = {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": self.outputs["TopicArn"]}},
            }
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [statement]})})
            sns.subscribe(
                TopicArn=self.outputs["TopicArn"],
                Protocol="sqs",
                Endpoint=arn,
                Attributes={"RawMessageDelivery": "true"},
            )
            return url


def host_platform() -> str:
    """This machine, as ``cdk.json`` names a platform."""
    return f"{_MACHINES[platform.machine().lower()]}-{sys.version_info.major}.{sys.version_info.minor}"


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """Deploys the stage ``dev`` to an emulator of its own; takes both down at the end."""
    claude = OfflineClaude(_inherited(), folder)
    try:
        environ = {
            "AUTH": "true",
            LAMBDA_PYTHON: str(_lambda_python(folder, _inherited())),
            TRAIL: str(folder / "trail.jsonl"),
            # A function inherits the emulator's environment: none may ever reach a Claude that costs money.
            "PRESSROOM_FORBID_PAID_CALLS": "1",
        }
        with running_emulator("tests.support.guarded_emulator", environ) as emulator:
            _bootstrap(emulator)
            outputs = _deploy(emulator, folder)
            claude_url = claude.wait_until_ready()
            _lead_to(emulator, claude_url)
            _allow_passwords(emulator, outputs)
            yield Deployment(emulator, folder, outputs)
    finally:
        claude.close()


@cache
def _client(emulator: Emulator, service: str) -> Any:
    """Made once, because it takes a fifth of a second; one that was closed opens its connections again."""
    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    config = Config(retries={"total_max_attempts": 2, "mode": "standard"}, read_timeout=90)
    return session.client(service, endpoint_url=emulator.endpoint_url, config=config)


def _lambda_python(folder: Path, environ: Mapping[str, str]) -> Path:
    """A Python with nothing but boto3, which is what the Lambda runtime brings, in the version that is locked."""
    from infra.bundles import find_uv  # noqa: PLC0415  infra is loaded where it is needed

    place, uv = folder / "lambda", str(find_uv(environ))
    lines = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").splitlines()
    (pin,) = [line.split()[0] for line in lines if line.startswith("boto3==")]
    python = place / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--no-python-downloads", "--python", sys.executable, str(place)],
        [uv, "pip", "install", "--quiet", "--python", str(python), pin],
    ):
        made = subprocess.run(  # noqa: S603  the uv of the checkout
            command, env=dict(environ), capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr
    return python


def _bootstrap(emulator: Emulator) -> None:
    """What ``cdk bootstrap`` leaves in an account, as far as ``cdk deploy`` asks for it."""
    with (
        closing(cast("S3Client", _client(emulator, "s3"))) as s3,
        closing(cast("SSMClient", _client(emulator, "ssm"))) as ssm,
        closing(cast("IAMClient", _client(emulator, "iam"))) as iam,
        closing(cast("SecretsManagerClient", _client(emulator, "secretsmanager"))) as secrets,
    ):
        s3.create_bucket(Bucket=f"cdk-{_QUALIFIER}-assets-{ACCOUNT}-{REGION}")
        ssm.put_parameter(Name=f"/cdk-bootstrap/{_QUALIFIER}/version", Value="30", Type="String")
        for role, trusted in (
            ("file-publishing", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
            ("deploy", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
            ("cfn-exec", {"Service": "cloudformation.amazonaws.com"}),
        ):
            name = f"cdk-{_QUALIFIER}-{role}-role-{ACCOUNT}-{REGION}"
            trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
            iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
        secrets.create_secret(Name=context["stages"][STAGE]["claude_key_secret"], SecretString="sk-ant-offline")


def _deploy(emulator: Emulator, folder: Path) -> dict[str, str]:
    """Runs ``cdk deploy``; gives the stack's outputs."""
    options = ["--require-approval", "never", "--outputs-file", str(folder / "outputs.json")]
    options += ["--context", f"stage={STAGE}", "--context", f"platform={host_platform()}"]
    options += ["--app", f"{sys.executable} {ROOT / 'app.py'}", "--output", str(folder / "cdk.out")]
    _cdk(emulator, "deploy", *options)
    outputs: dict[str, str] = json.loads((folder / "outputs.json").read_text(encoding="utf-8"))[f"pressroom-{STAGE}"]
    return outputs


def _cdk(emulator: Emulator, command: str, *options: str) -> None:
    """Runs the CDK command line against the emulator."""
    assert _CDK.exists(), "the CDK command line is not installed: make deploy-local"
    environ = (
        _inherited()
        | CREDENTIALS
        | {
            "AWS_ENDPOINT_URL": emulator.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "1",
        }
    )
    ran = subprocess.run(  # noqa: S603  the CDK command line of package-lock.json
        [str(_CDK), command, "--no-notices", *options],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _inherited() -> dict[str, str]:
    """This process's environment without accounts, keys and settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


def _lead_to(emulator: Emulator, claude_url: str) -> None:
    """Points the processor at the offline Claude, beside everything else that its template says."""
    with closing(cast("LambdaClient", _client(emulator, "lambda"))) as functions:
        name = f"pressroom-{STAGE}-processor"
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=name,
            Environment={"Variables": dict(variables) | {"PRESSROOM_ANTHROPIC_BASE_URL": claude_url}},
        )


def _allow_passwords(emulator: Emulator, outputs: Mapping[str, str]) -> None:
    """Lets an administrator ask for a user's tokens, beside every other way in that the client has."""
    pool, client_id = outputs["UserPoolId"], outputs["CommandLineClientId"]
    with closing(cast("CognitoIdentityProviderClient", _client(emulator, "cognito-idp"))) as cognito:
        client = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client_id)["UserPoolClient"]
        flows = [*client.get("ExplicitAuthFlows", []), "ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        cognito.update_user_pool_client(UserPoolId=pool, ClientId=client_id, ExplicitAuthFlows=flows)
