"""What the Hub finds wrong with the metadata of a card: the rules of its documentation that our cards could break."""

import re

import yaml

_TASKS = {"text-retrieval", "sentence-similarity", "feature-extraction", "text-ranking"}
_LICENSES = {"apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "odc-by", "other"}
_SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M"}
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def faults(card: str, repo_type: str) -> list[str]:
    """Return what is wrong with the metadata of a card, in the Hub's manner of naming the key first."""
    found = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    if found is None:
        return ['"yaml" metadata block is missing']
    try:
        data = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        return [f'"yaml" cannot be read: {error}']
    faults = [
        f'"{key}" must be one of [{", ".join(sorted(known))}], got {value!r}'
        for key, known in (("license", _LICENSES), ("pipeline_tag", _TASKS))
        if (value := data.get(key)) is not None and value not in known
    ]
    for key, known in (("task_categories", _TASKS), ("size_categories", _SIZES)):
        faults += [f'"{key}" has unknown {v!r}' for v in data.get(key, []) if v not in known]
    spoken = data.get("language", [])
    for code in [spoken] if isinstance(spoken, str) else spoken:
        if not _LANGUAGE.fullmatch(code):
            faults.append(f'"language" must be ISO 639 codes, got {code!r}')
    return faults + (_of_dataset(data) if repo_type == "dataset" else _of_model(data))


def _of_dataset(data: dict) -> list[str]:
    faults, names = [], [entry.get("config_name") for entry in data.get("configs", [])]
    if not names or len(set(names)) < len(names):
        faults.append('"configs" must have names of their own')
    for entry in data.get("configs", []):
        for file in entry.get("data_files", [{}]):
            if set(file) != {"split", "path"} or not re.fullmatch(r"\w+", file["split"]):
                faults.append(f'"configs" must have data_files with split and path, got {file}')
    if sum(bool(entry.get("default")) for entry in data.get("configs", [])) > 1:
        faults.append('"configs" must have one default')
    return faults


def _of_model(data: dict) -> list[str]:
    faults = [
        f'"datasets" must be names of datasets, got {name!r}'
        for name in data.get("datasets", [])
        if not _NAME.fullmatch(name)
    ]
    for model in data.get("model-index", []):
        if not model.get("name"):
            faults.append('"model-index[0].name" is required')
        for result in model["results"]:
            if not {"type"} <= set(result["task"]) or not {"name", "type"} <= set(
                result["dataset"]
            ):
                faults.append('"model-index" must have task.type, dataset.name and dataset.type')
            for metric in result["metrics"]:
                if not isinstance(metric.get("value"), float) or not metric.get("type"):
                    faults.append(f'"model-index" must have metrics with type and value: {metric}')
    return faults
