"""The function that prepares a batch: its list in, one normalized file of events out.

A Distributed Map reads the file; the result of this function says where it is, and how to work through it.
"""

from collections.abc import Mapping
from typing import Any

from generate_image.aws.batch_files import BatchFiles, MissingObjectError
from generate_image.functions._runtime import Environment, LambdaContext, Serve, entry_point
from generate_image.lists.events import Batch, event_lines
from generate_image.lists.formats import invalid_list, read_list


def build(environment: Environment) -> Serve:
    """Return the function."""
    files = BatchFiles(environment.clients.s3, environment.settings.image_bucket)

    def serve(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Write ``results/<execution>/items.jsonl``.

        event: ``input`` of the batch, ``execution`` (its name), and the stack's two defaults. Raises
        InvalidRequestError for an input or a list that is wrong as a whole, StorageError and ConfigurationError.
        """
        del context
        batch = Batch.from_input(
            event["input"],
            max_concurrency=event["max_concurrency"],
            tolerated_failure_percentage=event["tolerated_failure_percentage"],
        )
        key = f"results/{event['execution']}/items.jsonl"
        try:
            content = files.open(batch.key)
        except MissingObjectError:
            raise invalid_list(f"the bucket has no {batch.key}") from None
        with content:
            items = files.write(key, event_lines(read_list(content, batch.list_format), batch))
        return {
            "name": batch.name,
            "key": key,
            "items": items,
            "max_concurrency": batch.max_concurrency,
            "tolerated_failure_percentage": batch.tolerated_failure_percentage,
            "pricing": batch.pricing,
        }

    return serve


handler = entry_point(build, service="prepare-list")
