from ttsctl.contract.machine import collect_provenance

__all__ = ["collect_provenance"]
