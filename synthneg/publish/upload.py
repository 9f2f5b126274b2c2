"""Send what was planned. Whatever of it has arrived is not sent again."""

import sys
from typing import TYPE_CHECKING, NamedTuple

from synthneg.errors import HubError
from synthneg.progress import Progress, say
from synthneg.publish.explain import hub_errors
from synthneg.publish.planned import Plan, Upload
from synthneg.publish.secrets import refuse_secrets
from synthneg.publish.show import size, visibility

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_ALONE_FROM_BYTES = 1_000_000  # what is smaller goes up with the commit
_COLLECTION_ABOUT = "A dataset that synthneg made, and the retriever tuned on it."


class Sent(NamedTuple):
    """A repository or collection as it is on the Hub now."""

    address: str
    is_new: bool  # whether anything of it was not there before


def upload(plan: Plan) -> list[Sent]:
    """Send all files, one commit a repository, making those that are not there; return what is there now.

    The token comes from huggingface_hub's own places: HF_TOKEN, or `hf auth login`. Large files go up one after the
    other before the commit, so that an upload that was cut off goes on with the file at which it was. Files of a
    repository that the run does not have are left alone.

    Raises:
        HubError: the Hub cannot be reached or refuses; a commit is whole or not there.
        RunError: a file holds a secret of this machine.
    """
    # Heavy, and it reads its environment when imported: only when something is sent.
    from huggingface_hub import HfApi  # noqa: PLC0415
    from huggingface_hub.utils import disable_progress_bars  # noqa: PLC0415

    refuse_secrets(plan)  # again: the files may have changed since they were shown
    if not sys.stderr.isatty():
        disable_progress_bars()
    api = HfApi(token=True)
    sent = []
    for planned in plan.uploads:
        setting = "publish.repo" if planned.kind == "dataset" else "publish.model_repo"
        with hub_errors(planned.repo, setting):
            sent.append(_send(api, planned))
    if plan.collection is not None:
        with hub_errors(f"collection {plan.collection!r}", "the owner of publish.repo"):
            sent.append(_collect(api, plan, plan.collection))
    return sent


def _send(api: "HfApi", planned: Upload) -> Sent:
    from huggingface_hub import CommitOperationAdd  # noqa: PLC0415  # as above

    kind, repo = planned.kind, planned.repo
    api.create_repo(repo, repo_type=kind, private=planned.private, exist_ok=True)
    before = api.repo_info(repo, repo_type=kind)
    _check_visibility(planned, bool(before.private))
    say(f"publish  {len(planned.files)} files, {size(planned.size)}, to {kind} {repo}")
    additions = [CommitOperationAdd(file.path, file.source) for file in planned.files]
    large = [a for a in additions if a.upload_info.size >= _ALONE_FROM_BYTES]
    with Progress(f"publish {repo}", len(large), "large files") as progress:
        for addition in large:
            api.preupload_lfs_files(repo, [addition], repo_type=kind)
            progress.advance(note=addition.path_in_repo)
    # Of files that are all there as they are, the library makes no commit, and returns the last one.
    made = api.create_commit(repo, additions, commit_message=planned.message, repo_type=kind)
    return Sent(f"{api.endpoint}/{planned.page}", made.oid != before.sha)


def _collect(api: "HfApi", plan: Plan, title: str) -> Sent:
    """Put all repositories into the collection of this title, which is made where there is none."""
    first = plan.uploads[0]
    found = api.create_collection(
        title,
        namespace=first.repo.partition("/")[0],
        description=_COLLECTION_ABOUT,
        private=first.private,
        exists_ok=True,
    )
    before = {(item.item_type, item.item_id) for item in found.items}
    for planned in plan.uploads:
        api.add_collection_item(found.slug, planned.repo, planned.kind, exists_ok=True)
    is_new = not before.issuperset((planned.kind, planned.repo) for planned in plan.uploads)
    return Sent(f"{api.endpoint}/collections/{found.slug}", is_new)


def _check_visibility(planned: Upload, is_private: bool) -> None:
    # The Hub ignores the wish for a repository that exists; the files would be seen by others than was shown.
    if is_private != planned.private:
        raise HubError(
            f"{planned.repo}: exists and is {visibility(is_private)}, and was shown as {visibility(planned.private)};"
            f" change it on the Hub, or --set publish.private={str(is_private).lower()}"
        )
